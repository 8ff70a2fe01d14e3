#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

using Catch::Matchers::Contains;
using fakes::GdbClient;
using fakes::Machine;

std::string table(GdbClient& client, const std::string& type) {
  return client.ask("qXfer:osdata:read:" + type + ":0,2000");
}

TEST_CASE("the table of tables names each") {
  Machine machine;
  GdbClient client(machine);
  const std::string types = table(client, "");
  CHECK_THAT(types, Contains("<osdata type=\"types\">"));
  for (const std::string name : {"vcpus", "points", "clients"}) {
    CHECK_THAT(types, Contains("<column name=\"Type\">" + name + "</column>"));
    CHECK_THAT(table(client, name), Contains("<osdata type=\"" + name + "\">"));
  }
  CHECK(table(client, "processes") == "E00");
}

TEST_CASE("vCPUs with their mode and why they stopped") {
  Machine machine;
  GdbClient client(machine);
  const Point point{PointKind::hardware, {0x1000}, 1};
  client.ask("Z1,1000,1");
  client.ask("c");
  CHECK_THAT(table(client, "vcpus"), Contains("<column name=\"Mode\">running</column>"));
  machine.target.stop_now({0, {{VcpuId{1}, {HitPoint{point}}}}});
  client.heard();
  const std::string vcpus = table(client, "vcpus");
  CHECK_THAT(vcpus,
             Contains("<column name=\"vCPU\">0</column>\n<column name=\"Thread\">1</column>\n"
                      "<column name=\"Mode\">toy mode &lt;0&gt;</column>\n"
                      "<column name=\"Stopped by\">held</column>"));
  CHECK_THAT(vcpus, Contains("<column name=\"Stopped by\">hardware point at 0x1000</column>"));
}

TEST_CASE("points with their method, clients with their points") {
  Machine machine;
  GdbClient one(machine), two(machine);
  one.ask("Z1,1000,1");
  two.ask("Z1,1000,1");
  two.ask("Z2,3000,4");
  one.ask("c");
  CHECK_THAT(table(two, "points"),
             Contains("<column name=\"Point\">write watch of 4 bytes at 0x3000</column>\n"
                      "<column name=\"Method\">toy site</column>\n"
                      "<column name=\"Hits\">0</column>"));
  const std::string clients = table(two, "clients");
  CHECK_THAT(clients, Contains("<column name=\"Client\">1</column>\n"
                               "<column name=\"From\"></column>\n"
                               "<column name=\"Points\">1</column>\n"
                               "<column name=\"Run control\">yes</column>"));
  CHECK_THAT(clients, Contains("<column name=\"Points\">2</column>\n"
                               "<column name=\"Run control\">no</column>"));
}

} // namespace
} // namespace kdbg::gdb
