#pragma once
/// Scripted vCPUs, an Engine over them, and one Cpu to look at by itself: for any architecture.
/// Traits: Kernel, make(), host().
#include "tests/fakes/scripted_loop_vmm.hpp"

#include <catch2/catch.hpp>

#include <cstring>

namespace kdbg::test {

template <class Traits>
struct EngineRig {
  static constexpr std::uint64_t entry = 0x1000, data = 0x4000, handler = 0x6000;

  explicit EngineRig(std::size_t vcpus = 1, const kvm::HostFacts& given = Traits::host())
      : facts(given),
        ram(0x10000),
        kernel(ram),
        arch(Traits::make()),
        fds(start(vcpus)),
        vmm(kernel, *arch, facts, ram, fds),
        engine(vmm, *arch, facts, [this](const Event& event) {
          if (const auto* stopped = std::get_if<Stopped>(&event)) stops.push_back(stopped->stop);
        }) {
    vmm.engine = &engine;
  }

  kvm::HostFacts facts;
  Bytes ram;
  typename Traits::Kernel kernel;
  std::unique_ptr<const kvm::Arch> arch;
  std::vector<kvm::Fd> fds;
  LoopVmm vmm;
  std::vector<Stop> stops;
  kvm::Engine engine;
  Bytes original; ///< memory as `code` left it

  kvm::Cpu& cpu(std::size_t n = 0) { return vmm.cpu(VcpuId{static_cast<std::uint32_t>(n)}); }
  kvm::Fd fd(std::size_t n = 0) const { return fds[n]; }

  /// 32-bit words, or 16-bit halves, from `at` on.
  template <class T>
  void put(std::uint64_t at, std::initializer_list<T> words) {
    for (const T word : words) {
      std::memcpy(ram.data() + at, &word, sizeof word);
      at += sizeof word;
    }
    original = ram;
  }
  void code(std::initializer_list<std::uint32_t> words) { put(entry, words); }
  template <class T = std::uint64_t>
  T get(std::uint64_t at) const {
    T out{};
    std::memcpy(&out, ram.data() + at, sizeof out);
    return out;
  }

  Status resume(std::vector<Motion> motions, std::vector<StepRange> ranges = {}) {
    auto resumed = engine.resume(Resume{std::move(motions), std::move(ranges)});
    vmm.drain();
    return resumed;
  }
  Status resume(Motion motion) { return resume(std::vector<Motion>(fds.size(), motion)); }
  /// One step of a lone vCPU; where it got to.
  std::uint64_t step() {
    const std::size_t before = stops.size();
    REQUIRE(resume(Motion::step));
    REQUIRE(stops.size() == before + 1);
    REQUIRE(last<Stepped>() != nullptr);
    return pc();
  }
  std::uint64_t pc(std::size_t n = 0) {
    cpu(n).exited();
    auto at = cpu(n).pc();
    REQUIRE(at);
    return at->value;
  }
  template <class Reason>
  const Reason* last(std::size_t vcpu = 0) const {
    if (stops.empty()) return nullptr;
    for (const VcpuStop& stopped : stops.back().vcpus) {
      if (index(stopped.vcpu) != vcpu) continue;
      for (const StopReason& reason : stopped.reasons) {
        if (const auto* found = std::get_if<Reason>(&reason)) return found;
      }
    }
    return nullptr;
  }
  Status insert(PointKind kind, std::uint64_t at, std::uint64_t length = 1) {
    return engine.insert(VcpuId{0}, Point{kind, Address{at}, length});
  }
  Status remove(PointKind kind, std::uint64_t at, std::uint64_t length = 1) {
    return engine.remove(Point{kind, Address{at}, length});
  }

  RegisterId id(std::string_view name) const {
    const auto table = arch->info().registers;
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (table[i].name == name) return RegisterId{static_cast<std::uint16_t>(i)};
    }
    FAIL("no register " << name);
    return {};
  }
  std::uint64_t read(std::string_view name) {
    auto value = cpu().read(id(name));
    REQUIRE(value);
    std::uint64_t out = 0;
    std::memcpy(&out, (*value).data(), std::min((*value).size(), sizeof out));
    return out;
  }
  Status write(std::string_view name, std::uint64_t value) {
    Bytes bytes(arch->info().registers[index(id(name))].bits / 8u);
    std::memcpy(bytes.data(), &value, std::min(bytes.size(), sizeof value));
    return cpu().write(id(name), bytes);
  }

private:
  std::vector<kvm::Fd> start(std::size_t vcpus) {
    std::vector<kvm::Fd> out;
    for (std::size_t n = 0; n < vcpus; ++n) {
      out.push_back(kernel.add_vcpu(entry));
    }
    return out;
  }
};

} // namespace kdbg::test
