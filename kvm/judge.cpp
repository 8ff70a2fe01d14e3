// A hit is a stop when a client says so. Asked on the vCPU's thread, when the instruction that made
// it is done, so that whatever nobody wants to hear of costs an exit and no more.
#include "kvm/engine.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::kvm {

/// The guest as this vCPU sees it now.
Scene Engine::scene(VcpuId id) {
  Cpu& cpu = vmm_.cpu(id);
  const auto reg = [this, &cpu](std::uint64_t number) -> Result<std::uint64_t> {
    if (number >= arch().registers.size()) {
      return Error{Code::bad_request, fmt::format("there is no register {}", number)};
    }
    const Bytes bytes = TRY(cpu.read(RegisterId{static_cast<std::uint16_t>(number)}));
    std::uint64_t value = 0;
    for (std::size_t i = std::min<std::size_t>(bytes.size(), sizeof value); i-- > 0;) {
      value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    }
    return value;
  };
  const auto read = [this, &cpu](std::uint64_t at, std::span<std::byte> out) -> Status {
    constexpr std::uint64_t page = 4096; // as far as one translation surely holds
    while (!out.empty()) {
      const auto here = out.first(std::min<std::uint64_t>(out.size(), page - at % page));
      const Translation where = TRY(cpu.translate(Address{at}));
      if (vmm_.memory().read(where.physical, here) != here.size()) {
        return Error{Code::memory_fault, fmt::format("there is no memory at {:#x}", at)};
      }
      sites_.hide(where.physical, here);
      out = out.subspan(here.size());
      at += here.size();
    }
    return Done{};
  };
  return {reg, read};
}

/// True when it is a reason to stop.
bool Engine::judge(VcpuId id, StopReason reason) {
  auto said = rules_.judge(*point_of(reason), id, scene(id), std::chrono::steady_clock::now());
  if (said.logged && !log_posted_.exchange(true)) {
    vmm_.post([this] { tell_log(false); });
  }
  if (!said.stops) return false;
  *matched_of(reason) = std::move(said.matched);
  runs_[index(id)].reasons.push_back(std::move(reason));
  return true;
}

/// True when there is a reason to stop now.
bool Engine::judge_seen(VcpuId id) {
  VcpuRun& run = runs_[index(id)];
  for (StopReason& reason : std::exchange(run.seen, {})) {
    judge(id, std::move(reason));
  }
  return !run.reasons.empty();
}

/// On the strand.
void Engine::tell_log(bool all) {
  log_posted_ = false;
  for (LogLine& line : rules_.take_log(all)) {
    publish_(std::move(line));
  }
}

} // namespace kdbg::kvm
