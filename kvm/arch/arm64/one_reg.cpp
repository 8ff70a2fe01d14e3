#include "kvm/arch/arm64/one_reg.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm::arm64 {
namespace {

constexpr std::uint64_t mappings[] = {
    reg::sctlr_el1, reg::ttbr0_el1, reg::ttbr1_el1, reg::tcr_el1, reg::vbar_el1, reg::hcr_el2,
    reg::sctlr_el2, reg::ttbr0_el2, reg::ttbr1_el2, reg::tcr_el2, reg::vbar_el2, reg::mdcr_el2};
constexpr std::uint64_t constants[] = {reg::id_aa64pfr0_el1, reg::id_aa64pfr1_el1};

template <std::size_t count>
bool one_of(const std::uint64_t (&ids)[count], std::uint64_t id) {
  return std::find(std::begin(ids), std::end(ids), id) != std::end(ids);
}

/// KVM answers ENOENT for what a vCPU has not, and EINVAL for what this kernel has not heard of.
Error absent(const Error& cause, std::uint64_t id) {
  if (cause.sys_errno != ENOENT && cause.sys_errno != EINVAL) return cause;
  return {Code::unsupported, fmt::format("this vCPU has no register {:#x} of KVM's", id),
          cause.sys_errno};
}

} // namespace

const OneRegs::Known* OneRegs::find(std::uint64_t id) const {
  for (const Known& each : known_) {
    if (each.id == id) return &each;
  }
  return nullptr;
}

void OneRegs::forget(bool mapped) {
  std::erase_if(known_, [&](const Known& each) {
    return !one_of(constants, each.id) && !(mapped && one_of(mappings, each.id));
  });
}

bool OneRegs::known(std::uint64_t id) const {
  return find(id) != nullptr;
}

Result<std::uint64_t> OneRegs::get(std::uint64_t id) {
  if (const Known* before = find(id)) return before->value;
  std::uint64_t value = 0;
  OneReg request{id, reinterpret_cast<std::uintptr_t>(&value)};
  if (auto got = vcpu_.ioctl(get_one_reg, &request); !got) return absent(got.error(), id);
  known_.push_back({id, value});
  return value;
}

Status OneRegs::set(std::uint64_t id, std::uint64_t value) {
  std::erase_if(known_, [id](const Known& each) { return each.id == id; });
  OneReg request{id, reinterpret_cast<std::uintptr_t>(&value)};
  if (auto done = vcpu_.ioctl(set_one_reg, &request); !done) {
    if (done.error().sys_errno != EINVAL) return absent(done.error(), id);
    return Error{Code::bad_request, fmt::format("KVM refuses {:#x} for register {:#x}", value, id),
                 EINVAL};
  }
  known_.push_back({id, value});
  return Done{};
}

Result<Bytes> OneRegs::get_bytes(std::uint64_t id) {
  Bytes out(bytes_of(id));
  OneReg request{id, reinterpret_cast<std::uintptr_t>(out.data())};
  if (auto got = vcpu_.ioctl(get_one_reg, &request); !got) return absent(got.error(), id);
  return out;
}

Status OneRegs::set_bytes(std::uint64_t id, Bytes value) {
  value.resize(bytes_of(id));
  OneReg request{id, reinterpret_cast<std::uintptr_t>(value.data())};
  if (auto done = vcpu_.ioctl(set_one_reg, &request); !done) return absent(done.error(), id);
  return Done{};
}

} // namespace kdbg::kvm::arm64
