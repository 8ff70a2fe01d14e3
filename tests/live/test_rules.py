"""What the engine relies on in KVM's debugging interface, asked directly (kvm_rules.cpp)."""

import os
import subprocess

from check import Skip, case, holds
from machine import Settings

RULES = {"inject_then_registers": 9, "inject_twice": 10, "own_general_detect": 5,
         "host_general_detect": 5, "synchronised_registers": 53, "unknown_control_bits": 56, "stale_debug_bits": 19,
         "added_vcpu": 60, "another_process": 62, "system_management": 63}


def rule_case(name, number):
    @case(ids=[number], needs=["kvmdbg"], limit=30)
    def rule():
        program = os.path.join(os.path.dirname(os.path.abspath(Settings.kvmdbg)), "kvm_rules")
        if not os.path.exists(program):
            raise Skip(f"{program} is not built")
        run = subprocess.run([program, name], capture_output=True, text=True, timeout=25)
        word, _, why = run.stdout.strip().partition(" ")
        if word == "SKIP":
            raise Skip(why)
        holds(word == "PASS" and run.returncode == 0, run.stdout + run.stderr)

    rule.__name__ = name
    rule.__module__ = __name__


for rule_name, catalogue_id in RULES.items():
    rule_case(rule_name, catalogue_id)
