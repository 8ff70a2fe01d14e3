#pragma once
/// A client's way to one machine: what the client has agreed on is repeated there first, then
/// packets go both ways as they are. Knows no socket.
#include "adapter/machines.hpp"

namespace kdbg::platform {

/// Cuts what a machine says into frames, $...#cs or %...#cs, without looking inside.
class FrameCutter {
public:
  /// Takes bytes off the front of `input` up to the end of the next frame; nothing when it ran out.
  std::optional<std::string> next(ByteView& input);

private:
  std::string frame_;
};

class Attachment {
public:
  struct Listener {
    // each may destroy the attachment
    std::function<void(std::string frame)> answered; ///< the attach: once, a stop reply or an error
    std::function<void(std::string frame)> heard;    ///< what the machine says from then on
    std::function<void(std::string_view why)> lost;
  };
  /// Attaching stops the machine.
  static Result<std::unique_ptr<Attachment>> open(Machines& machines,
                                                  const MachineRecord& machine,
                                                  std::span<const std::string> agreed,
                                                  Listener listener);

  void forward(std::string_view packet);
  void interrupt();
  const MachineRecord& machine() const { return machine_; }
  /// The client has been told of a stop and not since of an end.
  bool has_process() const { return process_; }
  /// The client has detached, or could not be attached.
  bool over() const { return over_; }
  bool attaching() const { return doing_ == Doing::attaching; }
  /// What is owed to the client when the machine is lost: nothing, an answer or a stop.
  bool owes_answer() const { return doing_ != Doing::nothing; }
  bool owes_stop() const { return doing_ == Doing::moving; }

private:
  /// What the last packet wants of the machine.
  enum class Doing : std::uint8_t { nothing, attaching, asking, moving, detaching, killing };
  Attachment(MachineRecord machine, Listener listener)
      : machine_(std::move(machine)), listener_(std::move(listener)) {}
  static Doing doing(std::string_view packet);
  void on_bytes(ByteView bytes);
  void on_lost(std::string_view why);
  bool for_client(std::string_view frame);

  MachineRecord machine_;
  Listener listener_;
  FrameCutter cutter_;
  std::size_t repeats_ = 0; ///< answers that the client has had already
  Doing doing_ = Doing::attaching;
  bool process_ = false, over_ = false;
  std::shared_ptr<char> here_ = std::make_shared<char>(); ///< gone with the attachment
  std::unique_ptr<Machines::Link> link_;
};

} // namespace kdbg::platform
