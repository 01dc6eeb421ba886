"""The lab: one small transformer, one training loop, one decoder, tasks with verifiers.

Experiments combine these parts; nothing here knows of claims, seeds' schedules or evidence.
"""
