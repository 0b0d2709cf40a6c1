#include "raft/configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

namespace alfheim::raft {
namespace {

using base::Error;
using base::ErrorCode;
using base::NodeId;

constexpr uint8_t kConfigurationVersion = 2;
constexpr uint8_t kConfigurationVersionUnnamed = 1;  // three lists of ids, no members

// Sorted, without repetition, and without "nobody".
bool is_proper_list(const std::vector<NodeId>& ids) {
  if (!ids.empty() && ids.front() == NodeId{}) return false;
  return std::adjacent_find(ids.begin(), ids.end(),
                            [](NodeId left, NodeId right) { return !(left < right); }) == ids.end();
}

void put_list(base::Bytes& out, const std::vector<NodeId>& ids) {
  base::put_varint(out, ids.size());
  for (const NodeId id : ids) base::put_varint(out, id.value);
}

bool get_list(base::Reader& reader, std::vector<NodeId>& ids) {
  uint64_t count = 0;
  if (!reader.get_varint(count)) return false;
  if (count > reader.rest().size()) return false;  // an id is at least one byte
  ids.resize(count);
  for (NodeId& id : ids) {
    if (!reader.get_varint(id.value)) return false;
  }
  return true;
}

void put_members(base::Bytes& out, const std::vector<Member>& members) {
  base::put_varint(out, members.size());
  for (const Member& member : members) {
    base::put_varint(out, member.id.value);
    base::put_prefixed(out, member.name);
    base::put_prefixed(out, member.address);
    base::put_u64(out, member.data_uid);
    base::put_u8(out, member.stays_learner ? 1 : 0);
  }
}

bool get_members(base::Reader& reader, std::vector<Member>& members) {
  uint64_t count = 0;
  if (!reader.get_varint(count) || count > kMembersMax) return false;
  members.resize(count);
  for (Member& member : members) {
    base::ByteView name;
    base::ByteView address;
    if (!reader.get_varint(member.id.value)) return false;
    if (!reader.get_prefixed(name) || !reader.get_prefixed(address)) return false;
    uint8_t flags = 0;
    if (!reader.get_u64(member.data_uid) || !reader.get_u8(flags) || flags > 1) return false;
    member.stays_learner = flags == 1;
    member.name = std::string(name);
    member.address = std::string(address);
  }
  return true;
}

// The first of the members' own troubles; null where there is none.
const char* trouble_of_members(const std::vector<Member>& members) {
  if (members.size() > kMembersMax) return "there are too many members";
  std::set<std::string_view> names;
  std::set<std::string_view> addresses;
  for (const Member& member : members) {
    if (member.name.size() > kMemberNameBytesMax) return "a name is too long";
    if (member.address.size() > kMemberAddressBytesMax) return "an address is too long";
    if (!member.name.empty() && !names.insert(member.name).second) return "a name is there twice";
    if (!member.address.empty() && !addresses.insert(member.address).second) {
      return "an address is there twice";
    }
  }
  return nullptr;
}

const char* trouble_of_parts(const Configuration& configuration) {
  if (configuration.retired.size() > kRetiredMax) return "too many ids are retired";
  for (const NodeId id : configuration.learners) {
    if (configuration.is_voter(id)) return "a learner also votes";
  }
  for (const NodeId id : configuration.learners_next) {
    if (!holds(configuration.outgoing, id) || holds(configuration.voters, id)) {
      return "who becomes a learner next is not one who ceases to vote";
    }
  }
  const std::vector<NodeId> everybody = configuration.everybody();
  const auto is_id_of = [](NodeId id, const Member& member) { return id == member.id; };
  if (!std::equal(everybody.begin(), everybody.end(), configuration.members.begin(),
                  configuration.members.end(), is_id_of)) {
    return "members and parts do not name the same nodes";
  }
  for (const NodeId id : everybody) {
    if (configuration.is_retired(id)) return "a member is retired";
  }
  return nullptr;
}

bool get_lists(base::Reader& reader, Configuration& configuration) {
  return get_list(reader, configuration.voters) && get_list(reader, configuration.outgoing) &&
         get_list(reader, configuration.learners);
}

}  // namespace

bool holds(const std::vector<NodeId>& sorted, NodeId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

bool Configuration::is_voter(NodeId id) const { return holds(voters, id) || holds(outgoing, id); }

bool Configuration::is_learner(NodeId id) const { return holds(learners, id); }

bool Configuration::is_retired(NodeId id) const { return holds(retired, id); }

bool Configuration::is_sole_voter(NodeId id) const {
  return voters.size() == 1 && voters.front() == id && (outgoing.empty() || outgoing == voters);
}

const Member* Configuration::find(NodeId id) const {
  const auto found =
      std::lower_bound(members.begin(), members.end(), id,
                       [](const Member& member, NodeId wanted) { return member.id < wanted; });
  return found != members.end() && found->id == id ? &*found : nullptr;
}

std::vector<NodeId> Configuration::everybody() const {
  std::vector<NodeId> all;
  for (const auto* list : {&voters, &outgoing, &learners}) {
    all.insert(all.end(), list->begin(), list->end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

Configuration make_configuration(std::vector<Member> founders) {
  std::stable_sort(founders.begin(), founders.end(),
                   [](const Member& left, const Member& right) { return left.id < right.id; });
  founders.erase(
      std::unique(founders.begin(), founders.end(),
                  [](const Member& left, const Member& right) { return left.id == right.id; }),
      founders.end());
  Configuration configuration;
  configuration.members = std::move(founders);
  for (const Member& member : configuration.members) configuration.voters.push_back(member.id);
  return configuration;
}

Configuration make_configuration(const std::vector<NodeId>& founders) {
  std::vector<Member> members;
  for (const NodeId id : founders) members.push_back({.id = id, .name = {}, .address = {}});
  return make_configuration(std::move(members));
}

Configuration with_unnamed_members(Configuration configuration) {
  configuration.members.clear();
  for (const NodeId id : configuration.everybody()) {
    configuration.members.push_back({.id = id, .name = {}, .address = {}});
  }
  return configuration;
}

base::Status check_configuration(const Configuration& configuration) {
  const auto refuse = [&](const char* what) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("check a configuration of {} voters, {} outgoing, {} learners: {}",
                             configuration.voters.size(), configuration.outgoing.size(),
                             configuration.learners.size(), what)};
  };
  if (configuration.voters.empty()) return refuse("nobody votes");
  for (const auto* list : {&configuration.voters, &configuration.outgoing, &configuration.learners,
                           &configuration.learners_next, &configuration.retired}) {
    if (!is_proper_list(*list)) return refuse("a list is not sorted, repeats an id, or holds 0");
  }
  if (const char* what = trouble_of_members(configuration.members)) return refuse(what);
  if (const char* what = trouble_of_parts(configuration)) return refuse(what);
  return base::ok();
}

base::Bytes encode_configuration(const Configuration& configuration) {
  ALF_CHECK(check_configuration(configuration).is_ok());
  base::Bytes out;
  base::put_u8(out, kConfigurationVersion);
  put_members(out, configuration.members);
  put_list(out, configuration.voters);
  put_list(out, configuration.outgoing);
  put_list(out, configuration.learners);
  put_list(out, configuration.learners_next);
  put_list(out, configuration.retired);
  return out;
}

base::Result<Configuration> decode_configuration(base::ByteView bytes) {
  const auto broken = [&](const char* what) {
    return Error{ErrorCode::kCorruption,
                 fmt::format("decode a configuration of {} bytes: {}", bytes.size(), what)};
  };
  base::Reader reader(bytes);
  uint8_t version = 0;
  if (!reader.get_u8(version)) return broken("no version");
  if (version != kConfigurationVersion && version != kConfigurationVersionUnnamed) {
    return broken("its version is not known here");
  }
  Configuration configuration;
  const bool is_named = version == kConfigurationVersion;
  if (is_named && !get_members(reader, configuration.members)) return broken("no such members");
  if (!get_lists(reader, configuration)) return broken("voters or learners are cut off");
  if (is_named &&
      !(get_list(reader, configuration.learners_next) && get_list(reader, configuration.retired))) {
    return broken("the next learners or the retired are cut off");
  }
  if (!is_named) configuration = with_unnamed_members(std::move(configuration));
  if (!reader.is_empty()) return broken("bytes are left over");
  if (const base::Status status = check_configuration(configuration); !status.is_ok()) {
    return Error{ErrorCode::kCorruption, status.error().message};
  }
  return configuration;
}

}  // namespace alfheim::raft
