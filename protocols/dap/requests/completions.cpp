/// completions of the debug console.
#include "protocols/dap/data/kvm_words.hpp"
#include "protocols/dap/data/lldb_commands.hpp"
#include "protocols/dap/data/values.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBCommandInterpreter.h>
#include <lldb/API/SBStringList.h>

namespace kdbg::dap {
namespace {

struct Completion {
  std::string label;
  std::size_t start = 0, length = 0;
  static constexpr auto fields() {
    return std::tuple{required("label", &Completion::label), required("start", &Completion::start),
                      required("length", &Completion::length)};
  }
};

struct Completions {
  static constexpr std::string_view command = "completions";
  struct Args {
    std::string text;
    std::uint32_t column = 0;
    std::optional<std::uint32_t> line;
    std::optional<std::int32_t> frame;
    static constexpr auto fields() {
      return std::tuple{required("text", &Args::text), required("column", &Args::column),
                        optional("line", &Args::line), optional("frameId", &Args::frame)};
    }
  };
  struct Body {
    std::vector<Completion> targets;
    static constexpr auto fields() { return std::tuple{required("targets", &Body::targets)}; }
  };
  static void declare(Json& capabilities) {
    capabilities["supportsCompletionsRequest"] = true;
    capabilities["completionTriggerCharacters"] = {".", ">", " ", "$"};
  }
  static Result<Body> run(Session& session, const Args& args) {
    const std::string line = line_of(args);
    const std::size_t column =
        args.column - (session.client.traits.columns_start_at_1 && args.column > 0 ? 1 : 0);
    if (column > line.size()) {
      return Error{Code::bad_request, fmt::format("column {} is beyond the text", args.column)};
    }
    const std::string before = line.substr(0, column);
    const std::size_t space = before.find_last_of(" (");
    const std::size_t start = space == before.npos ? 0 : space + 1;
    Body body;
    const auto add = [&](const std::string& label, std::size_t from) {
      body.targets.push_back({label, from, before.size() - from});
    };
    if (before.starts_with("kvm ")) {
      for (const std::string& word : kvm_words(std::string_view(before).substr(4))) {
        add(word, 4);
      }
      return body;
    }
    for (const std::string& word : lldb_commands(before)) {
      add(word, 0);
    }
    if (!before.empty() && std::string_view("kvm").starts_with(before)) add("kvm", 0);
    for (const std::string& word : names(session, args, before.substr(start))) {
      add(word, start);
    }
    return body;
  }

private:
  static std::string line_of(const Args& args) {
    std::uint32_t skip = args.line.value_or(0);
    skip -= skip > 0 ? 1 : 0;
    std::string_view rest = args.text;
    for (; skip > 0 && rest.find('\n') != rest.npos; --skip) {
      rest.remove_prefix(rest.find('\n') + 1);
    }
    return std::string(rest.substr(0, rest.find('\n')));
  }

  /// Registers and the paths of variables. LLDB completes a whole command: one that names no files.
  static std::vector<std::string>
  names(Session& session, const Args& args, const std::string& word) {
    if (word.empty() || !session.stopped()) return {};
    if (args.frame) {
      if (auto frame = session.frame(*args.frame)) {
        frame->GetThread().SetSelectedFrame(frame->GetFrameID());
      }
    }
    session.debugger.SetSelectedTarget(session.target);
    const bool in_register = word.front() == '$';
    const std::string line =
        in_register ? "register read " + word.substr(1) : "frame variable " + word;
    lldb::SBStringList found;
    constexpr int most = 100;
    session.debugger.GetCommandInterpreter().HandleCompletion(
        line.c_str(), static_cast<std::uint32_t>(line.size()), 0, most, found);
    std::vector<std::string> all;
    // the first is what all have in common
    for (std::uint32_t i = 1; i < found.GetSize(); ++i) {
      all.push_back((in_register ? "$" : "") + trimmed(text_of(found.GetStringAtIndex(i))));
    }
    return all;
  }
};

} // namespace

std::span<const RequestRow> completion_requests() {
  static constexpr RequestRow rows[] = {row<Completions>()};
  return rows;
}

} // namespace kdbg::dap
