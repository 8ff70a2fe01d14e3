/// What a person asks: evaluate.
#include "protocols/dap/data/expressions.hpp"
#include "protocols/dap/data/kvm_words.hpp"
#include "protocols/dap/data/lldb_commands.hpp"
#include "protocols/dap/data/memory.hpp"
#include "protocols/dap/data/registers.hpp"
#include "protocols/dap/requests/expression_args.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <array>

namespace kdbg::dap {
namespace {

/// `text` without its first word `word`; nothing when that is another one.
std::optional<std::string> after_word(const std::string& text, std::string_view word) {
  if (!text.starts_with(word)) return std::nullopt;
  if (text.size() > word.size() && text[word.size()] != ' ') return std::nullopt;
  return trimmed(std::string_view(text).substr(word.size()));
}

struct Evaluate {
  static constexpr std::string_view command = "evaluate";
  struct Args : ExpressionArgs {
    std::string context;
    static constexpr auto fields() {
      return std::tuple_cat(ExpressionArgs::fields(),
                            std::tuple{optional("context", &Args::context)});
    }
  };
  struct Body {
    std::string result;
    std::int32_t reference = 0;
    std::optional<std::string> type, memory_reference;
    std::optional<std::uint32_t> indexed;
    static constexpr auto fields() {
      return std::tuple{
          required("result", &Body::result), required("variablesReference", &Body::reference),
          optional("type", &Body::type), optional("memoryReference", &Body::memory_reference),
          optional("indexedVariables", &Body::indexed)};
    }
  };
  static void declare(Json& capabilities) {
    capabilities["supportsEvaluateForHovers"] = true;
    capabilities["supportsClipboardContext"] = true;
  }
  static Result<Body> run(Session& session, const Args& args) {
    constexpr std::array<std::string_view, 6> known{"",      "watch",     "repl",
                                                    "hover", "clipboard", "variables"};
    if (std::find(known.begin(), known.end(), args.context) == known.end()) {
      return Error{Code::bad_request, fmt::format("context {} is not known", args.context)};
    }
    const std::string text = trimmed(args.expression);
    if (args.context == "repl") return repl(session, args, text);
    return value(session, args, text);
  }
  static void after_reply(Session& session) { tell_written(session); }

private:
  static Result<Body> value(Session& session, const Args& args, const std::string& expression) {
    lldb::SBFrame frame = TRY(frame_of(session, args));
    if (expression.empty()) return Error{Code::bad_request, "expression is empty"};
    const bool changes = has_side_effects(expression);
    if (changes && args.context == "hover") {
      return Error{Code::bad_request,
                   fmt::format("expression {} may change the guest", expression)};
    }
    lldb::SBValue found = TRY(evaluate_in(frame, expression));
    if (changes) session.written = MemoryChange{Address{}, anywhere};
    const FrameRef place{frame.GetThread().GetThreadID(), frame.GetFrameID()};
    const Variable shown = found.GetValueType() == lldb::eValueTypeRegister
                               ? describe_register(session, place, found)
                               : describe_value(session, place, found, args.format.hex);
    Body body{shown.value, shown.reference, shown.type, shown.memory_reference, shown.indexed};
    if (args.context == "clipboard") body.result = whole_text(session, found);
    return body;
  }

  static Result<Body> repl(Session& session, const Args& args, const std::string& text) {
    if (text.empty()) return Body{};
    if (const auto line = after_word(text, "kvm")) return kvm(session, args, *line);
    for (const std::string_view word : {"p", "print"}) {
      const auto expression = after_word(text, word);
      if (expression && !expression->empty()) return value(session, args, *expression);
    }
    const bool marked = text.starts_with('`');
    if (!marked && !is_lldb_command(session, text)) return value(session, args, text);
    lldb::SBFrame frame = TRY(frame_of(session, args));
    Body body;
    body.result = TRY(run_lldb_command(session, frame, marked ? text.substr(1) : text));
    // memory write, register write
    if (text.find("write") != text.npos) {
      session.written = MemoryChange{Address{}, anywhere};
    }
    return body;
  }

  static Result<Body> kvm(Session& session, const Args& args, const std::string& line) {
    KvmContext context{
        *session.control, {}, [&](const std::string& text) { return number(session, args, text); }};
    if (!session.running() && session.process.IsValid()) {
      const lldb::SBFrame frame = TRY(frame_of(session, args));
      context.vcpu = frame.GetThread().GetThreadID() - 1;
    }
    Body body;
    body.result = TRY(run_kvm_words(context, line));
    return body;
  }

  static Result<std::uint64_t> number(Session& session, const Args& args, const std::string& text) {
    lldb::SBFrame frame = TRY(frame_of(session, args));
    lldb::SBValue found = TRY(evaluate_in(frame, text));
    lldb::SBError error;
    const std::uint64_t value = found.GetValueAsUnsigned(error);
    if (error.Success()) return value;
    return Error{Code::bad_request, fmt::format("{} is no number", text)};
  }
};

} // namespace

std::span<const RequestRow> evaluate_requests() {
  static constexpr RequestRow rows[] = {row<Evaluate>()};
  return rows;
}

} // namespace kdbg::dap
