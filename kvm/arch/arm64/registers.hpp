#pragma once
/// The arm64 register table: gdb's own features first, under its names and in its order; then the
/// system registers that no other stub shows. Built once for what this host's guests have.
#include "kvm/arch.hpp"

#include <deque>

namespace kdbg::kvm::arm64 {

/// Positions in the table; those after the general ones hold with and without SVE.
enum : std::uint16_t { reg_x0 = 0, reg_sp = 31, reg_pc, reg_cpsr, reg_v0, reg_fpsr = 66, reg_fpcr };

/// How a register's value is got from KVM.
enum class Source : std::uint8_t {
  plain,         ///< as `id` says; of a longer one, its first bytes
  stack_pointer, ///< SP_EL0, SP_EL1 or SP_EL2, as PSTATE says
  state,         ///< PSTATE, with the interrupt masks that the guest has set
  vector,        ///< V0 to V31, which are in Z0 to Z31 on a vCPU with SVE
  granules,      ///< VG: vector length in 8 bytes
};

struct Place {
  Source source = Source::plain;
  std::uint64_t id = 0; ///< ONE_REG
};

class RegisterTable {
public:
  explicit RegisterTable(const HostFacts& facts);
  RegisterTable(const RegisterTable&) = delete; // info() looks into it
  RegisterTable& operator=(const RegisterTable&) = delete;
  const ArchInfo& info() const { return info_; }
  const Place& place(RegisterId id) const { return places_[index(id)]; }

private:
  void add(const RegisterInfo& info, const Place& place);
  std::string_view numbered(std::string_view stem, unsigned n);
  void add_core();
  void add_vectors();
  void add_scalable(unsigned vector_bytes);
  void add_system();
  void add_guests_debug();

  std::vector<RegisterInfo> infos_;
  std::vector<Place> places_;
  std::deque<std::string> names_; ///< of numbered registers
  ArchInfo info_;
};

} // namespace kdbg::kvm::arm64
