// The arm64 board: what stands in memory before the first instruction, and what a reset does to
// KVM's interrupt controller.
#include "kvm/machine/arm64/virt.hpp"

#include <catch2/catch.hpp>

#include <cerrno>
#include <linux/kvm.h>
#include <map>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

/// Only what a GIC is asked for: devices are made, and told their registers.
class GicKernel final : public Kernel {
public:
  explicit GicKernel(unsigned version) : version_(version) {}
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> written; ///< {group, attribute}

  Result<int> ioctl(Fd, unsigned long request, void* argument) override {
    if (request == KVM_CREATE_DEVICE) {
      auto& made = *static_cast<kvm_create_device*>(argument);
      made.fd = 9;
      const unsigned asked = made.type == KVM_DEV_TYPE_ARM_VGIC_V3 ? 3 : 2;
      if (asked != version_) return Error{Code::kernel, "no such device", ENODEV};
    }
    if (request == KVM_SET_DEVICE_ATTR) {
      const auto& set = *static_cast<const kvm_device_attr*>(argument);
      if (set.addr != 0) {
        written[{set.group, set.attr}] = *reinterpret_cast<const std::uint32_t*>(set.addr);
      }
    }
    return 0;
  }
  Result<Fd> open_kvm() override { return Fd{3}; }
  Result<std::span<std::byte>> map_run(Fd, std::size_t) override { return std::span<std::byte>{}; }
  Result<std::span<std::byte>> allocate(std::size_t) override { return std::span<std::byte>{}; }
  void close(Fd) override {}
  ThreadId adopt_thread(std::uint8_t*) override { return ThreadId{1}; }
  void kick(ThreadId) override {}

private:
  unsigned version_;
};

struct Loaded {
  Loaded(std::uint64_t bytes, std::uint64_t image_at) : ram(bytes), memory({{Virt::ram, ram}}) {
    options.memory = bytes;
    image.entry_kind = Image::Entry::arm64;
    image.entry = image_at;
    image.segments.push_back({image_at, code.size(), code});
    Virt board({kernel, facts, options, image, files, [](std::byte) {}, {}});
    outcome = board.load(memory);
  }
  /// Where the device tree begins, from the start of memory.
  std::optional<std::uint64_t> tree() const {
    for (std::uint64_t at = 0; at + 4 <= ram.size(); at += 8) {
      if (ram[at] == std::byte{0xd0} && ram[at + 1] == std::byte{0x0d} &&
          ram[at + 2] == std::byte{0xfe} && ram[at + 3] == std::byte{0xed})
        return at;
    }
    return {};
  }
  GicKernel kernel{3};
  HostFacts facts;
  MachineOptions options;
  Image image;
  BootFiles files;
  Bytes code = Bytes(64, std::byte{0x11});
  Bytes ram;
  Ram memory;
  Status outcome = Done{};
};

} // namespace

TEST_CASE("an image fits at the start of any memory, and the device tree in one page of 2 MiB") {
  constexpr std::uint64_t mib = 1 << 20, room = 0x10000;
  for (const std::uint64_t bytes : {mib, 2 * mib, 2 * mib + 0x1000, 2 * mib + room, 8 * mib}) {
    INFO(bytes << " bytes");
    const Loaded loaded(bytes, Virt::ram);
    REQUIRE(loaded.outcome);
    CHECK(loaded.ram[0] == std::byte{0x11});
    const auto tree = loaded.tree();
    REQUIRE(tree);
    CHECK(*tree / (2 * mib) == (*tree + room - 1) / (2 * mib));
    CHECK(*tree + room <= bytes);
  }
}

TEST_CASE("an image that is not in memory, or in the device tree's place, is refused") {
  CHECK_FALSE(Loaded(1 << 20, 0x1000).outcome);
  CHECK_FALSE(Loaded(1 << 20, Virt::ram + (1 << 20)).outcome);
  CHECK_FALSE(Loaded(1 << 20, Virt::ram + (1 << 20) - 0x1000).outcome);
}

TEST_CASE("a reset leaves no interrupt pending, by either GIC's registers") {
  constexpr std::uint32_t distributor = 1, redistributor = 5; // KVM_DEV_ARM_VGIC_GRP_*
  constexpr std::uint64_t set_pending = 0x200, clear_pending = 0x280, private_frame = 0x10000;
  for (const unsigned version : {2, 3}) {
    INFO("GICv" << version);
    GicKernel kernel(version);
    Gic gic(kernel);
    REQUIRE(gic.create(Fd{4}, 1));
    const std::uint64_t affinities[] = {0};
    REQUIRE(gic.reset(affinities));
    auto& written = kernel.written;
    if (version == 2) {
      for (const std::uint64_t n : {0, 4, 8})
        CHECK(written[{distributor, clear_pending + n}] == ~0u);
    } else {
      for (const std::uint64_t n : {4, 8})
        CHECK(written.contains({distributor, set_pending + n}));
      CHECK(written.contains({redistributor, private_frame + set_pending}));
      CHECK_FALSE(written.contains({distributor, clear_pending + 4}));
    }
  }
}

TEST_CASE("a GICv2 serves eight vCPUs, a GICv3 more") {
  for (const unsigned version : {2, 3}) {
    GicKernel kernel(version);
    Gic gic(kernel);
    CHECK(Gic(kernel).create(Fd{4}, 8));
    auto many = gic.create(Fd{4}, 9);
    CHECK(bool(many) == (version == 3));
    if (!many) CHECK(many.error().what.find("at most 8") != std::string::npos);
  }
}
