#include "adapter/server/peer.hpp"
#include "adapter/server/sock_diag.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <catch2/catch.hpp>

#include <unistd.h>

namespace kdbg::server {
namespace {

using boost::asio::ip::tcp;
namespace ip = boost::asio::ip;

tcp::endpoint at(const char* address, std::uint16_t port) {
  return {ip::make_address(address), port};
}

// as the kernel prints them; the last two connections' owners have closed their ends
constexpr std::string_view table =
    R"(  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:04D2 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1081 1 0000000029aba0f8 100 0 0 10 0
   1: 0100007F:8AE4 0100007F:04D2 01 00000000:00000000 00:00000000 00000000 65534        0 2201 1 00000000d0cd4bd1 20 4 30 10 -1
   2: 0100007F:04D2 0100007F:8AE4 01 00000000:00000000 00:00000000 00000000  1000        0 2202 1 00000000d0cd4bd2 20 4 30 10 -1
   3: 0100007F:8AE6 0100007F:04D2 05 00000000:00000000 00:00000000 00000000     0        0 0 1 00000000d0cd4bd3 20 4 30 10 -1
   4: 0100007F:8AE8 0100007F:04D2 06 00000000:00000000 03:000016F4 00000000     0        0 0 3 00000000d0cd4bd4
)";
constexpr std::string_view table6 =
    R"(  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:8AE4 00000000000000000000000001000000:04D2 01 00000000:00000000 00:00000000 00000000  1001        0 2203 1 00000000d0cd4bd5 20 4 30 10 -1
)";

TEST_CASE("a connection's owner is found by both its ends") {
  const auto here = at("127.0.0.1", 1234);
  CHECK(owner_in(table, at("127.0.0.1", 35556), here) == 65534U);
  CHECK(owner_in(table, here, at("127.0.0.1", 35556)) == 1000U);
  CHECK_FALSE(owner_in(table, at("127.0.0.1", 35557), here));
  CHECK_FALSE(owner_in(table, at("127.0.0.1", 35556), at("127.0.0.1", 1235)));
  CHECK_FALSE(owner_in(table, at("127.0.0.2", 35556), here));
  CHECK(owner_in(table6, at("::1", 35556), at("::1", 1234)) == 1001U);
  CHECK_FALSE(owner_in("", here, here));
}

TEST_CASE("a socket that nobody holds is nobody's, though the kernel calls it root's") {
  CHECK_FALSE(owner_in(table, at("127.0.0.1", 35558), at("127.0.0.1", 1234)));
  CHECK_FALSE(owner_in(table, at("127.0.0.1", 35560), at("127.0.0.1", 1234)));
}

TEST_CASE("this process may come to itself") {
  boost::asio::io_context io;
  tcp::acceptor acceptor(io, at("127.0.0.1", 0));
  tcp::socket client(io);
  client.connect(acceptor.local_endpoint());
  Socket accepted(acceptor.accept());
  CHECK(check_peer(accepted));
  const tcp::endpoint own = client.local_endpoint();
  const auto owner = diagnosed_owner(own, acceptor.local_endpoint());
  if (owner) CHECK(*owner == ::geteuid()); // kernels without CONFIG_INET_DIAG do not tell
  CHECK_FALSE(diagnosed_owner(at("127.0.0.1", 1), acceptor.local_endpoint()));
  client.close();
  CHECK_FALSE(diagnosed_owner(own, acceptor.local_endpoint()));
  CHECK_FALSE(check_peer(accepted));
  boost::asio::local::stream_protocol::socket one(io), two(io);
  boost::asio::local::connect_pair(one, two);
  Socket local(std::move(one));
  CHECK(check_peer(local));
}

} // namespace
} // namespace kdbg::server
