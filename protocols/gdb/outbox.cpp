#include "protocols/gdb/outbox.hpp"

#include "protocols/gdb/text.hpp"

namespace kdbg::gdb {
namespace {

/// A '-' is one byte and a packet up to 128 KiB: somebody who only sends '-' must not make us work.
constexpr unsigned max_resends = 16;

} // namespace

void Outbox::send(std::string_view payload, Runs runs) {
  send_frame(frame(payload, runs));
}

void Outbox::send_frame(std::string framed) {
  if (framed.starts_with('%')) {
    due_ += framed;
    return;
  }
  const bool at_once = mode_ == Mode::off || waiting_.empty();
  if (mode_ != Mode::off) waiting_.push_back(framed);
  if (at_once && due_.empty()) {
    due_ = std::move(framed);
  } else if (at_once) {
    due_ += framed;
  }
}

void Outbox::acknowledge(bool good) {
  if (mode_ != Mode::off) due_ += good ? '+' : '-';
}

void Outbox::stop_acks() {
  if (mode_ == Mode::on) mode_ = Mode::leaving;
}

void Outbox::on_ack() {
  if (waiting_.empty()) return;
  waiting_.pop_front();
  refusals_ = 0;
  if (!waiting_.empty()) due_ += waiting_.front();
  settle();
}

void Outbox::on_nak() {
  if (waiting_.empty() || refusals_ == max_resends) return;
  ++refusals_;
  due_ += waiting_.front();
}

void Outbox::on_packet() {
  for (std::size_t i = 1; i < waiting_.size(); ++i) {
    due_ += waiting_[i];
  }
  waiting_.clear();
  refusals_ = 0;
  settle();
}

void Outbox::settle() {
  if (mode_ == Mode::leaving && waiting_.empty()) mode_ = Mode::off;
}

void Outbox::notify(std::string_view payload) {
  std::string framed = frame(payload);
  framed.front() = '%';
  notes_ += framed;
}

const std::string& Outbox::due() {
  if (!notes_.empty()) due_ += std::exchange(notes_, {});
  return due_;
}

void Outbox::flush() {
  if (!due().empty()) sink_(std::exchange(due_, {}));
}

} // namespace kdbg::gdb
