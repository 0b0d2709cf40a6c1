// What the core alone costs: a group of three in one thread, without network, disk or apply.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "raft/node.h"

namespace alfheim::raft {
namespace {

// Messages stand in one queue; what a Ready says is on disk at once.
class Three {
 public:
  Three() {
    for (const uint64_t id : {1, 2, 3}) {
      RestoredState blank;
      blank.log_first = base::LogIndex{1};
      blank.configuration = make_configuration({base::NodeId{1}, base::NodeId{2}, base::NodeId{3}});
      nodes_.emplace(id, Node({.id = base::NodeId{id}, .group = base::GroupId{7}, .seed = id},
                              std::move(blank)));
    }
    while (!nodes_.at(1).is_leader()) {
      nodes_.at(1).tick();
      run();
    }
  }

  void propose(std::span<const Proposal> proposals) {
    ALF_CHECK(nodes_.at(1).propose(proposals).is_ok());
    run();
  }
  void tick() {
    for (auto& [id, node] : nodes_) node.tick();
    event_count_ += nodes_.size();
    run();
  }
  base::LogIndex commit() const { return nodes_.at(1).status().commit; }
  // Messages that were taken, Readies that were carried out, and ticks.
  uint64_t event_count() const { return event_count_; }

 private:
  void run() {
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      for (auto& [id, node] : nodes_) {
        while (node.has_ready()) {
          carry_out(id, node);
          goes_on = true;
        }
      }
      for (; !queue_.empty(); queue_.pop_front()) {
        ++event_count_;
        nodes_.at(queue_.front().to.value).step(queue_.front());
        goes_on = true;
      }
    }
  }

  void carry_out(uint64_t id, Node& node) {
    ++event_count_;
    Ready ready = node.take_ready();
    for (Entry& entry : ready.entries) logs_[id][entry.index.value] = entry;
    node.persisted(ready.number);
    for (auto* messages : {&ready.messages, &ready.messages_after_persist}) {
      for (Message& message : *messages) {
        if (auto* append = std::get_if<Append>(&message.body)) fill(id, *append);
        queue_.push_back(std::move(message));
      }
    }
    const NodeStatus status = node.status();
    const base::LogIndex end = std::min(status.commit, status.durable);
    if (end > status.applied) node.applied(end);
    node.check_invariants();
  }

  // As the replica does: the entries are the sender's own.
  void fill(uint64_t id, Append& append) {
    for (uint64_t i = append.previous.value + 1; i <= append.last.value; ++i) {
      append.entries.push_back(logs_[id].at(i));
    }
  }

  std::map<uint64_t, Node> nodes_;
  std::map<uint64_t, std::map<uint64_t, Entry>> logs_;
  std::deque<Message> queue_;
  uint64_t event_count_ = 0;
};

// Of entries that are proposed together; items are events.
void BM_Commit(benchmark::State& state) {
  Three group;
  const Proposal one{
      .stamp = {5}, .seed = 6, .payload = std::make_shared<const base::Bytes>("value")};
  const std::vector<Proposal> proposals(static_cast<size_t>(state.range(0)), one);
  const uint64_t first = group.event_count();
  for (auto _ : state) group.propose(proposals);
  ALF_CHECK(group.commit().value > state.iterations());
  state.SetItemsProcessed(static_cast<int64_t>(group.event_count() - first));
}
BENCHMARK(BM_Commit)->Arg(1)->Arg(64);

void BM_Heartbeats(benchmark::State& state) {
  Three group;
  const uint64_t first = group.event_count();
  for (auto _ : state) group.tick();
  state.SetItemsProcessed(static_cast<int64_t>(group.event_count() - first));
}
BENCHMARK(BM_Heartbeats);

}  // namespace
}  // namespace alfheim::raft
