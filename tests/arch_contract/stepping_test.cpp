// What a single step leaves in the guest, and that it is put right.
#include "tests/arch_contract/step_rig.hpp"

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::all_works;
using kdbg::test::flags_without;
using kdbg::test::StepRig;
using x86::CodeMode, x86::flag_tf, x86::flag_if;

namespace {

constexpr std::uint64_t flags_with = flags_without | flag_tf;
constexpr std::uint32_t sfmask = 0xc0000084;
constexpr CodeMode modes[] = {CodeMode::bits16, CodeMode::bits32, CodeMode::bits64};

} // namespace

TEST_CASE("pushf: our trap flag goes out of the image, the guest's stays in") {
  for (const CodeMode mode : modes) {
    for (const bool guests : {false, true}) {
      for (const bool prefixed : {false, true}) {
        INFO("mode " << static_cast<int>(mode) << ", guest's TF " << guests << prefixed);
        StepRig rig(mode);
        if (prefixed)
          rig.code({0x66, 0x9c});
        else
          rig.code({0x9c});
        if (prefixed) rig.width = mode == CodeMode::bits16 ? 4 : 2;
        if (guests) rig.guest_steps_itself();
        rig.begin();
        const std::uint64_t above = rig.top();
        rig.put_word(above, 0x0101010101010101, 8); // must not be touched
        rig.regs().rsp -= rig.width;
        rig.put_word(rig.top(), flags_with, rig.width);
        rig.regs().rip += prefixed ? 2 : 1;
        CHECK(rig.end());
        CHECK(rig.get_word(rig.top(), rig.width) == (guests ? flags_with : flags_without));
        CHECK(rig.get_word(above, 8) == 0x0101010101010101);
        CHECK(rig.owed() == guests);
      }
    }
  }
}

TEST_CASE("popf: the guest's trap flag is what it popped") {
  for (const CodeMode mode : modes) {
    for (const bool before : {false, true}) {
      for (const bool popped : {false, true}) {
        INFO("mode " << static_cast<int>(mode) << ", TF " << before << " then " << popped);
        StepRig rig(mode);
        rig.code({0x9d});
        rig.put_word(rig.top(), popped ? flags_with : flags_without, rig.width);
        if (before) rig.guest_steps_itself();
        rig.begin();
        rig.regs().rsp += rig.width;
        rig.regs().rip += 1;
        CHECK(rig.end());
        CHECK(rig.guest_tf() == popped);
        CHECK(rig.owed() == before); // it traps after popf if TF was set when popf began
        CHECK(rig.guest_tf() == popped);
      }
    }
  }
}

TEST_CASE("iret: the guest's trap flag is what the frame holds") {
  for (const CodeMode mode : modes) {
    for (const bool popped : {false, true}) {
      INFO("mode " << static_cast<int>(mode) << ", TF " << popped);
      StepRig rig(mode);
      if (mode == CodeMode::bits64)
        rig.code({0x48, 0xcf});
      else
        rig.code({0xcf});
      rig.put_word(rig.top(), 0x500, rig.width);
      rig.put_word(rig.top() + rig.width, 0x8, rig.width);
      rig.put_word(rig.top() + 2 * rig.width, popped ? flags_with : flags_without, rig.width);
      rig.begin();
      rig.regs().rsp += 3 * rig.width;
      rig.regs().rip = 0x500;
      CHECK(rig.end());
      CHECK(rig.guest_tf() == popped);
    }
  }
}

TEST_CASE("an emulated iret's step ends by a slot at its target") {
  HostFacts facts = all_works();
  CHECK_FALSE([&] {
    StepRig rig(CodeMode::bits64, facts);
    rig.code({0x48, 0xcf});
    return rig.cpu->begin_step()->ends.front().has_value();
  }());
  facts.emulated = true;
  StepRig rig(CodeMode::bits64, facts);
  rig.code({0x48, 0xcf});
  rig.put_word(rig.top(), 0xffffffff81000000, 8);
  auto plan = rig.cpu->begin_step();
  REQUIRE(plan);
  CHECK(plan->ends.front() == 0xffffffff81000000);
}

// The slot compares linear addresses, the frame holds an offset into the code segment it names.
TEST_CASE("an emulated iret in real mode ends at a linear address") {
  HostFacts facts = all_works();
  facts.emulated = true;
  StepRig rig(CodeMode::bits16, facts);
  rig.code({0xcf});
  rig.put_word(rig.top(), 0x20, 2);
  rig.put_word(rig.top() + 2, 0x210, 2);
  rig.put_word(rig.top() + 4, flags_without, 2);
  auto plan = rig.cpu->begin_step();
  REQUIRE(plan);
  CHECK(plan->ends.front() == 0x2120);
}

TEST_CASE("syscall: our trap flag goes out of r11") {
  for (const bool masked : {false, true}) {
    StepRig rig(CodeMode::bits64);
    rig.code({0x0f, 0x05});
    rig.kernel.msr(rig.fd, sfmask) = masked ? flag_tf : 0;
    rig.begin();
    rig.regs().rcx = rig.regs().rip + 2;
    rig.regs().r11 = flags_with;
    rig.regs().rip = 0x5000;
    CHECK(rig.end());
    CHECK(rig.read("r11") == flags_without);
    CHECK_FALSE(rig.guest_tf());
    CHECK_FALSE(rig.owed());
    CHECK(rig.regs().r11 == flags_without);
  }
}

TEST_CASE(
    "syscall: the guest's own trap flag stays in r11, and is on in the kernel unless masked") {
  for (const bool masked : {false, true}) {
    StepRig rig(CodeMode::bits64);
    rig.code({0x0f, 0x05});
    rig.kernel.msr(rig.fd, sfmask) = masked ? flag_tf : 0;
    rig.guest_steps_itself();
    rig.begin();
    rig.regs().rcx = rig.regs().rip + 2;
    rig.regs().r11 = flags_with;
    rig.regs().rip = 0x5000;
    CHECK(rig.end());
    CHECK(rig.read("r11") == flags_with);
    CHECK(rig.guest_tf() != masked);
  }
}

// syscall and sysret trap by the TF that they leave, not by the one that they find.
TEST_CASE("syscall and sysret: the guest is owed a trap for the flag that they leave") {
  StepRig call(CodeMode::bits64);
  call.code({0x0f, 0x05});
  call.kernel.msr(call.fd, sfmask) = flag_tf;
  call.guest_steps_itself();
  call.begin();
  call.regs().rcx = call.regs().rip + 2;
  call.regs().r11 = flags_with;
  call.regs().rip = 0x5000;
  CHECK(call.end());
  CHECKED_ELSE(!call.owed()) {
    FAIL("a trap at the kernel's entry, which SFMASK forbids");
  }
  StepRig back(CodeMode::bits64);
  back.code({0x48, 0x0f, 0x07});
  back.regs().r11 = flags_with;
  back.begin();
  back.regs().rip = back.regs().rcx = 0x500;
  CHECK(back.end());
  CHECK(back.owed());
}

TEST_CASE("sysret: the guest's trap flag is r11's") {
  for (const bool loaded : {false, true}) {
    StepRig rig(CodeMode::bits64);
    rig.code({0x48, 0x0f, 0x07});
    rig.regs().r11 = loaded ? flags_with : flags_without;
    rig.cpu->exited();
    rig.begin();
    rig.regs().rip = 0x500;
    CHECK(rig.end());
    CHECK(rig.guest_tf() == loaded);
  }
}

TEST_CASE("sti: the shadow that stepping dropped is back at the next entry, once") {
  for (const bool was_on : {false, true}) {
    StepRig rig(CodeMode::bits64);
    rig.code({0xfb, 0xf4});
    rig.regs().rflags = was_on ? flags_without : flags_without & ~flag_if;
    rig.cpu->exited();
    rig.begin();
    rig.regs().rflags |= flag_if;
    rig.regs().rip += 1;
    CHECK(rig.end());
    REQUIRE(rig.cpu->arm({}));
    auto& events = rig.kernel.events(rig.fd);
    CHECK(events.interrupt.shadow == (was_on ? 0 : 2)); // KVM_X86_SHADOW_INT_STI
    CHECK(((events.flags & x86::events_shadow) != 0) == !was_on);
    events.interrupt.shadow = 0;
    rig.cpu->exited();
    REQUIRE(rig.cpu->arm({}));
    CHECK(events.interrupt.shadow == 0);
  }
}

TEST_CASE("mov ss: the guest's own trap is held back by the CPU, so none is owed") {
  StepRig rig(CodeMode::bits64);
  rig.code({0x8e, 0xd0, 0x90});
  rig.guest_steps_itself();
  rig.begin();
  rig.regs().rip += 2;
  CHECK(rig.end());
  CHECK_FALSE(rig.owed());
}

TEST_CASE("a guest that steps itself is owed its own trap after a plain instruction") {
  StepRig rig(CodeMode::bits64);
  rig.code({0x90});
  rig.guest_steps_itself();
  rig.begin();
  rig.regs().rip += 1;
  CHECK(rig.end());
  CHECK(rig.owed());
  CHECK((rig.regs().rflags & flag_tf) != 0);
}

TEST_CASE("an exception instead of the instruction: its frame loses our trap flag") {
  for (const CodeMode mode : modes) {
    for (const bool error_code : {false, true}) {
      for (const bool guests : {false, true}) {
        for (const unsigned pushed : {0u, 1u}) { // the handler's first instruction may have run
          INFO("mode " << static_cast<int>(mode) << ", error code " << error_code << ", guest's TF "
                       << guests << ", pushed " << pushed);
          StepRig rig(mode);
          rig.sregs().cs.selector = 0x33;
          rig.cpu->exited();
          rig.code({0x0f, 0x0b}); // ud2
          if (guests) rig.guest_steps_itself();
          rig.begin();
          rig.regs().rsp -= 3 * rig.width;
          const std::uint64_t frame = rig.top();
          rig.put_word(frame, 0x100, rig.width);
          rig.put_word(frame + rig.width, 0x33, rig.width);
          rig.put_word(frame + 2 * rig.width, flags_with, rig.width);
          if (error_code) {
            rig.regs().rsp -= rig.width;
            rig.put_word(rig.top(), 0x10, rig.width);
          }
          if (pushed != 0) {
            rig.regs().rsp -= rig.width;
            rig.put_word(rig.top(), 0x7777, rig.width);
          }
          rig.sregs().cs.selector = 0x10;
          rig.regs().rip = 0x600;
          CHECK(rig.end());
          CHECK(rig.get_word(frame + 2 * rig.width, rig.width) ==
                (guests ? flags_with : flags_without));
          CHECK_FALSE(rig.guest_tf()); // the CPU clears it on the way into a handler
          CHECK_FALSE(rig.owed());
        }
      }
    }
  }
}

TEST_CASE("a software interrupt's frame holds the next instruction") {
  StepRig rig(CodeMode::bits64);
  rig.sregs().cs.selector = 0x10;
  rig.cpu->exited();
  rig.code({0xcd, 0x80});
  rig.begin();
  rig.regs().rsp -= 40;
  rig.put_word(rig.top(), 0x102, 8);
  rig.put_word(rig.top() + 8, 0x10, 8);
  rig.put_word(rig.top() + 16, flags_with, 8);
  rig.regs().rip = 0x600;
  CHECK(rig.end());
  CHECK(rig.get_word(rig.top() + 16, 8) == flags_without);
}

TEST_CASE("a jump leaves what is on the stack alone") {
  StepRig rig(CodeMode::bits64);
  rig.sregs().cs.selector = 0x10;
  rig.cpu->exited();
  rig.code({0xeb, 0x40});
  rig.put_word(rig.top(), 0x1000, 8);
  rig.put_word(rig.top() + 8, 0x10, 8);
  rig.put_word(rig.top() + 16, flags_with, 8);
  rig.begin();
  rig.regs().rip = 0x142;
  CHECK(rig.end());
  CHECK(rig.get_word(rig.top() + 16, 8) == flags_with);
}

// Its return address is where an exception's frame would have the pc; here the caller's data looks
// like the rest of such a frame.
TEST_CASE("a call is not taken for an exception") {
  StepRig rig(CodeMode::bits64);
  rig.sregs().cs.selector = 0x10;
  rig.cpu->exited();
  rig.code({0xe8, 0x00, 0x04, 0x00, 0x00});
  const std::uint64_t above = rig.top();
  rig.put_word(above, 0x10, 8);
  rig.put_word(above + 8, flags_with, 8);
  rig.begin();
  rig.regs().rsp -= 8;
  rig.put_word(rig.top(), 0x105, 8);
  rig.regs().rip = 0x505;
  CHECK(rig.end());
  CHECK(rig.get_word(above + 8, 8) == flags_with);
}

// A far call pushes what looks like the lower half of an exception's frame.
TEST_CASE("a far call is not taken for an exception") {
  StepRig rig(CodeMode::bits16);
  rig.sregs().cs.selector = 0x200;
  rig.cpu->exited();
  rig.code({0x9a, 0x00, 0x06, 0x10, 0x02}); // lcall 0x210:0x600
  rig.put_word(rig.top(), 0x1f42, 2);       // the caller's data
  const std::uint64_t above = rig.top();
  rig.begin();
  rig.regs().rsp -= 4;
  rig.put_word(rig.top(), 0x105, 2);
  rig.put_word(rig.top() + 2, 0x200, 2);
  rig.sregs().cs.selector = 0x210;
  rig.regs().rip = 0x600;
  CHECK(rig.end());
  CHECK(rig.get_word(above, 2) == 0x1f42);
}

TEST_CASE("a locked instruction that has not moved is still to be done") {
  const bool other_instruction = GENERATE(false, true);
  StepRig rig(CodeMode::bits64);
  if (other_instruction) {
    rig.code({0xeb, 0xfe}); // jmp to itself: over, though it has not moved
  } else {
    rig.code({0xf0, 0xff, 0x07}); // lock incl (%rdi)
  }
  rig.cpu->exited();
  rig.begin();
  CHECK(*rig.cpu->step_lost() != other_instruction);
  rig.regs().rip += 3;
  rig.cpu->exited();
  CHECK_FALSE(*rig.cpu->step_lost());
}

TEST_CASE("a repeated instruction is not complete between two rounds") {
  for (const CodeMode mode : modes) {
    StepRig rig(mode);
    rig.code({0xf3, 0xaa}); // rep stosb
    rig.regs().rcx = 3;
    rig.cpu->exited();
    for (std::uint64_t left = 2;; --left) {
      rig.begin();
      CHECK_FALSE(*rig.cpu->step_progressed());
      rig.regs().rcx = left;
      rig.regs().rdi += 1;
      if (left == 0) rig.regs().rip += 2;
      rig.cpu->exited();
      CHECK(*rig.cpu->step_progressed());
      CHECK(rig.end() == (left == 0));
      if (left == 0) break;
    }
  }
}

TEST_CASE("a plain instruction that jumps to itself is complete") {
  StepRig rig(CodeMode::bits64);
  rig.code({0xeb, 0xfe});
  rig.begin();
  CHECK(rig.end());
}
