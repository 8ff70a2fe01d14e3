#pragma once
/// What evaluate and setExpression have in common.
#include "protocols/dap/data/values.hpp"

namespace kdbg::dap {

struct ExpressionArgs {
  std::string expression;
  std::optional<std::int32_t> frame;
  ValueFormat format;
  static constexpr auto fields() {
    using A = ExpressionArgs;
    return std::tuple{required("expression", &A::expression), optional("frameId", &A::frame),
                      optional("format", &A::format)};
  }
};

/// The frame that the client names, else the one that it looks at. Errors: running, closed,
/// bad_request.
inline Result<lldb::SBFrame> frame_of(Session& session, const ExpressionArgs& args) {
  TRY(session.stopped());
  if (args.frame) return session.frame(*args.frame);
  lldb::SBFrame frame = session.selected_frame();
  if (frame.IsValid()) return frame;
  return Error{Code::bad_request, "frameId is missing: no thread has a frame"};
}

} // namespace kdbg::dap
