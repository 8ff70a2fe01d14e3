#pragma once
/// The vocabulary's values as JSON. Gathers nothing.
#include "protocols/gdb/jkvm/json.hpp"
#include "protocols/gdb/jkvm/values.hpp"

namespace kdbg::gdb::jkvm {

Json to_json(const Capabilities& can);
Json to_json(const Point& point);
Json to_json(const PointState& state);
Json to_json(const ClientInfo& client, ClientId self);
Json to_json(const VcpuState& state, std::string thread);
Json to_json(const Translation& translation, std::uint64_t address);
Json to_json(const Descriptor& entry);
Json to_json(const PastStop& past);
/// A stop's vCPUs with their reasons in words, the first one's kind and, of a hit, its address.
Json to_json(const std::vector<VcpuStop>& vcpus);
/// Adds address, space and perhaps root.
void put_address(Json& json, const Address& at);

Json to_json(ClientId id);
Json to_json(Role role);
Json to_json(const std::optional<ClientId>& id);
Json to_json(const std::vector<ClientId>& ids);

} // namespace kdbg::gdb::jkvm
