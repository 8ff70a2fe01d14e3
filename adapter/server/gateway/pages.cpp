#include "adapter/server/gateway/pages.hpp"

#include <algorithm>
#include <iterator>

namespace kdbg::server {
namespace {

constexpr std::string_view front_page = R"(<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>kvmdbg</title>
<h1>kvmdbg</h1>
<p>A guest is debugged here. This port speaks, to whoever knows the token of this run:</p>
<ul>
<li><code>/dap</code>: the Debug Adapter Protocol by WebSocket, one JSON message in a text frame;
<li><code>/rsp</code>: gdb's remote protocol by WebSocket, in binary frames.
</ul>
<p>It also speaks both without HTTP: <code>target remote</code> in gdb, <code>gdb-remote</code> in lldb,
<code>debugServer</code> in VS Code.</p>
</html>
)";

constexpr Page pages[] = {
    {"/", "text/html; charset=utf-8", front_page},
};

} // namespace

const Page* find_page(std::string_view path) {
  const auto* found = std::find_if(std::begin(pages), std::end(pages),
                                   [&](const Page& page) { return page.path == path; });
  return found == std::end(pages) ? nullptr : found;
}

} // namespace kdbg::server
