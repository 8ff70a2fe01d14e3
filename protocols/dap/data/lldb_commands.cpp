#include "protocols/dap/data/lldb_commands.hpp"

#include "protocols/dap/data/expressions.hpp"
#include "protocols/dap/data/values.hpp"
#include "protocols/dap/message/address.hpp"

#include <lldb/API/SBCommandInterpreter.h>
#include <lldb/API/SBCommandReturnObject.h>
#include <lldb/API/SBExecutionContext.h>

#include <algorithm>
#include <array>
#include <sstream>

namespace kdbg::dap {
namespace {

/// What is not here is refused. Options are given word by word: a letter that LLDB gains, or one
/// that writes a file (memory read --outfile), is not among them.
struct Allowed {
  std::string_view command; ///< one word, or two
  std::string_view options; ///< each between spaces
};
constexpr std::array<Allowed, 26> allowed{{
    {"apropos", ""},
    {"breakpoint list", " -b -v -f "},
    {"bt", ""},
    {"disassemble", " -a -b -c -e -f -l -n -p -r -s "},
    {"frame info", ""},
    {"frame select", " -r "},
    {"frame variable", " -D -P -R -T -a -c -d -f -g -l -r -s -t "},
    {"help", ""},
    {"image dump sections", ""},
    {"image list", " -a -b -g -h -o -t "},
    {"image lookup", " -A -F -a -i -l -n -o -r -s -t -v "},
    {"memory find", " -c -e -o -s "},
    {"memory read", " -c -f -r -s -t -l "},
    {"memory region", ""},
    {"memory write", " -f -s "},
    {"register info", ""},
    {"register read", " -A -a -f -s "},
    {"register write", ""},
    {"target variable", " -D -P -R -T -d -f -g -r "},
    {"thread backtrace", " -c -s "},
    {"thread info", ""},
    {"thread list", ""},
    {"thread select", ""},
    {"type lookup", " -h "},
    {"version", ""},
    {"x", " -c -f -s -t "},
}};

std::vector<std::string> split(std::string_view line) {
  std::istringstream words{std::string(line)};
  std::vector<std::string> all;
  for (std::string word; words >> word;) {
    all.push_back(word);
  }
  return all;
}

/// gdb's x/8xw and disassemble/r come with their format: the slash belongs to it.
std::string first_word(const std::string& word) {
  return word.substr(0, word.find('/'));
}

bool begins_with(const std::vector<std::string>& words, std::string_view command) {
  const auto names = split(command);
  if (words.size() < names.size()) return false;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if ((i == 0 ? first_word(words[i]) : words[i]) != names[i]) return false;
  }
  return true;
}

const Allowed* find_allowed(const std::vector<std::string>& words) {
  const auto is_it = [&](const Allowed& one) { return begins_with(words, one.command); };
  const auto found = std::find_if(allowed.begin(), allowed.end(), is_it);
  return found == allowed.end() ? nullptr : &*found;
}

/// LLDB takes quotes and backslashes out of words, and puts values for what stands in backticks:
/// an option could hide there.
Status check(const std::vector<std::string>& words, const Allowed& command) {
  for (const std::string& word : words) {
    if (word.find_first_of("\"'`\\") != word.npos) {
      return Error{Code::bad_request,
                   fmt::format("{}: quotes and backslashes are not for it", command.command)};
    }
    if (!word.starts_with('-') || parse_number(std::string_view(word).substr(1))) continue;
    if (command.options.find(fmt::format(" {} ", word)) == command.options.npos) {
      return Error{Code::bad_request, fmt::format("{}: the option {} is not for the debug console",
                                                  command.command, word)};
    }
  }
  return Done{};
}

/// A variable of the frame's hides a command of its name, where that could not be allowed anyhow or
/// stands alone.
bool is_variable(Session& session, const std::vector<std::string>& words) {
  if (session.running() || (words.size() > 1 && find_allowed(words))) return false;
  lldb::SBFrame frame = session.selected_frame();
  lldb::SBValue found;
  if (frame.IsValid()) found = frame.GetValueForVariablePath(words.front().c_str());
  return found.IsValid() && found.GetError().Success();
}

} // namespace

bool is_lldb_command(Session& session, std::string_view line) {
  const auto words = split(line);
  if (words.empty()) return false;
  const std::string first = first_word(words.front());
  lldb::SBCommandInterpreter lldb = session.debugger.GetCommandInterpreter();
  const bool known = lldb.CommandExists(first.c_str()) || lldb.AliasExists(first.c_str());
  return known && !is_variable(session, words);
}

Result<std::string>
run_lldb_command(Session& session, const lldb::SBFrame& frame, std::string_view line) {
  const auto words = split(line);
  if (words.empty()) return Error{Code::bad_request, "a command is missing"};
  const Allowed* const command = find_allowed(words);
  if (!command) {
    return Error{Code::bad_request,
                 fmt::format("lldb's command {} is not for the debug console: it may reach the "
                             "host, or move the guest",
                             words.front())};
  }
  // addresses may be expressions
  if (line.find_first_of("\r\n") != line.npos || has_directive(line)) {
    return Error{Code::bad_request, fmt::format("{}: one line, no directives", words.front())};
  }
  TRY(check(words, *command));
  lldb::SBCommandReturnObject result;
  lldb::SBExecutionContext context(frame);
  session.debugger.GetCommandInterpreter().HandleCommand(std::string(line).c_str(), context, result,
                                                         false);
  if (!result.Succeeded()) {
    std::string why = text_of(result.GetError());
    while (why.ends_with('\n')) {
      why.pop_back();
    }
    return Error{Code::bad_request, why.empty() ? "lldb refuses, and does not say why" : why};
  }
  return text_of(result.GetOutput()) + text_of(result.GetError());
}

std::vector<std::string> lldb_commands(std::string_view start) {
  std::vector<std::string> found;
  for (const Allowed& one : allowed) {
    if (one.command.starts_with(start)) found.emplace_back(one.command);
  }
  return found;
}

} // namespace kdbg::dap
