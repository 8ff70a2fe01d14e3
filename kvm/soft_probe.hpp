#pragma once
/// The probe of a KVM that has breakpoint instructions and no other means of debugging (LoongArch,
/// RISC-V). Knows no instruction and no register.
#include "kvm/questions.hpp"
#include "kvm/small_guest.hpp"

#include <functional>

namespace kdbg::kvm {

/// What the kernel says there is, then the questions, then what such a KVM lacks in any case.
Result<HostFacts>
soft_probe(Kernel& kernel, std::string_view arch, std::span<const Question<SmallGuest>> questions);

/// Notes what KVM's own step does, of which no use is made. `stops`, asked with the step armed: of
/// two instructions and a breakpoint, does the vCPU stop after the first? `breakpoint`: its name.
Status note_step(SmallGuest& guest,
                 HostFacts& facts,
                 std::string_view arch,
                 std::string_view breakpoint,
                 const std::function<Result<bool>()>& stops);

} // namespace kdbg::kvm
