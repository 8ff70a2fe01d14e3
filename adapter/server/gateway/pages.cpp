#include "adapter/server/gateway/pages.hpp"

#include <algorithm>

namespace kdbg::server {
namespace {

#ifdef KVMDBG_WEB
std::span<const Page> pages() {
  return web_pages();
}
#else
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
<p>The page that shows the guest itself is not part of this build: CMake found no node and npm, or was told
<code>-DKVMDBG_WEB=OFF</code>.</p>
<p>It also speaks both without HTTP: <code>target remote</code> in gdb, <code>gdb-remote</code> in lldb,
<code>debugServer</code> in VS Code.</p>
</html>
)";

std::span<const Page> pages() {
  static constexpr Page all[] = {{"/", "text/html; charset=utf-8", front_page}};
  return all;
}
#endif

} // namespace

const Page* find_page(std::string_view path) {
  const auto all = pages();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Page& page) { return page.path == path; });
  return found == all.end() ? nullptr : &*found;
}

} // namespace kdbg::server
