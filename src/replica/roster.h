// replica/roster: what a replica does about who belongs to its group.
//
// Raft knows the configurations, and how one becomes the next (raft/membership). Here: whom this
// node has links with, and who may connect; the orders of operators, from their proposal until what
// they asked for is committed; and, while this node leads, what follows without an order: a learner
// that has caught up is promoted, and the data directory of each member goes into the configuration
// once it has said which it is, so that no id comes back with another one.
//
// A change is refused where those who answer would be no majority of who votes then: it would never
// end, and nothing else would.
//
// Thread: the core strand; is_removed() from any. Lifetime: hands outlive it.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "net/peer_transport.h"
#include "raft/node.h"

namespace alfheim::replica {

class Roster {
 public:
  using Done = std::function<void(base::Status)>;
  struct Hands {
    raft::Node& raft;
    net::PeerTransport* transport = nullptr;  // null: a group of one, to which nobody can be added
    base::NodeId self;
    uint64_t data_uid = 0;        // of the own directory; 0: not known
    uint32_t leaving_ticks = 30;  // how long who was removed is still linked: some elections
  };
  struct Events {
    // Links are wanted with others than before: linked(). May be empty.
    std::function<void()> on_links_changed;
    // One line for the log. May be empty.
    std::function<void(const std::string&)> on_trouble;
  };
  Roster(const Hands& hands, Events events);

  // `done`, once. ok: a committed configuration says so. kInvalidArgument: it makes no sense.
  // kUnavailable: not the leader, too few would answer, a learner too far behind; or leadership was
  // lost, and it may or may not come to be. It waits for a change that is under way.
  void begin(const raft::Change& change, Done done);
  // After each step of raft. Whether another configuration is in force than before.
  bool look();
  void on_tick();
  // The node stops: nobody is kept waiting.
  void give_up();

  // kNotFound: it is no member. kAlreadyExists: its id belongs to another data directory.
  base::Status admit(const net::Hello& hello);
  // A node whose log is behind, or empty, learns from others whom to answer.
  void on_book(const net::MemberBook& book);
  // For on_book of a node that is connected now; nothing to tell: empty.
  net::MemberBook book() const;

  // All members but this node, those that were removed not long ago, and those of others' books.
  const std::vector<raft::Member>& linked() const { return linked_; }
  const std::vector<base::NodeId>& retired() const { return hands_.raft.configuration().retired; }
  // Whether a committed configuration has this node no longer.
  bool is_removed() const { return is_removed_.load(std::memory_order_acquire); }

 private:
  struct Order {
    raft::Change change;
    base::Term term;
    Done done;
    bool is_proposed = false;
  };

  base::Status check_reachable(const raft::Change& change) const;
  size_t answering_count(const std::vector<base::NodeId>& among) const;
  base::Status admit_member(const net::Hello& hello, const raft::Member& member);
  void propose_next();
  bool is_free() const;
  void settle_orders();
  void refresh_links();
  void tick_leaving();
  void tell_who_is_missing();
  void note_removed();
  void advance_learners();
  bool record_data_uid();

  Hands hands_;
  Events events_;
  std::deque<Order> orders_;  // at most the first is proposed
  std::map<base::NodeId, uint64_t> said_data_uids_;
  std::vector<raft::Member> linked_;
  std::map<base::NodeId, raft::Member> told_;  // members by others' books, unknown here
  uint64_t version_ = 0;                       // of the configuration that linked_ is made from
  std::map<base::NodeId, uint32_t> leaving_;   // ticks that they are still linked
  uint32_t founding_ticks_ = 0;                // that it has waited for other founders
  std::atomic<bool> is_removed_{false};
};

}  // namespace alfheim::replica
