#include "raft/configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace alfheim::raft {
namespace {

using base::Error;
using base::ErrorCode;
using base::NodeId;

constexpr uint8_t kConfigurationVersion = 1;

bool holds(const std::vector<NodeId>& sorted, NodeId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

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

}  // namespace

bool Configuration::is_voter(NodeId id) const { return holds(voters, id) || holds(outgoing, id); }

bool Configuration::is_learner(NodeId id) const { return holds(learners, id); }

bool Configuration::is_sole_voter(NodeId id) const {
  return voters.size() == 1 && voters.front() == id && (outgoing.empty() || outgoing == voters);
}

std::vector<NodeId> Configuration::members() const {
  std::vector<NodeId> all;
  for (const auto* list : {&voters, &outgoing, &learners}) {
    all.insert(all.end(), list->begin(), list->end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

Configuration make_configuration(std::vector<NodeId> voters) {
  std::sort(voters.begin(), voters.end());
  voters.erase(std::unique(voters.begin(), voters.end()), voters.end());
  Configuration configuration;
  configuration.voters = std::move(voters);
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
  for (const auto* list :
       {&configuration.voters, &configuration.outgoing, &configuration.learners}) {
    if (!is_proper_list(*list)) return refuse("a list is not sorted, repeats an id, or holds 0");
  }
  for (const NodeId id : configuration.learners) {
    if (configuration.is_voter(id)) return refuse("a learner also votes");
  }
  return base::ok();
}

base::Bytes encode_configuration(const Configuration& configuration) {
  ALF_CHECK(check_configuration(configuration).is_ok());
  base::Bytes out;
  base::put_u8(out, kConfigurationVersion);
  put_list(out, configuration.voters);
  put_list(out, configuration.outgoing);
  put_list(out, configuration.learners);
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
  if (version != kConfigurationVersion) return broken("its version is not known here");
  Configuration configuration;
  if (!get_list(reader, configuration.voters)) return broken("the voters are cut off");
  if (!get_list(reader, configuration.outgoing)) return broken("the outgoing are cut off");
  if (!get_list(reader, configuration.learners)) return broken("the learners are cut off");
  if (!reader.is_empty()) return broken("bytes are left over");
  if (const base::Status status = check_configuration(configuration); !status.is_ok()) {
    return Error{ErrorCode::kCorruption, status.error().message};
  }
  return configuration;
}

}  // namespace alfheim::raft
