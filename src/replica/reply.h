// replica/reply: to whom a reply goes, and how replies travel back to the loops.
//
// A waiter is named by numbers, not by pointers: its session may be gone when the reply
// comes, and then the loop drops it.
//
// Thread: values; ReplyRouter is called on the apply strand or the core.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "machine/reply_sink.h"
#include "resp/protocol.h"

namespace alfheim::replica {

struct ReplyTo {
  uint64_t session = 0;  // 0: nobody
  uint64_t slot = 0;     // the session's own number of the request
  uint32_t loop = 0;
  resp::ProtocolVersion protocol = resp::ProtocolVersion::kResp2;
};

enum class ReplyKind : uint8_t {
  kReplied,
  kWatchFailed,  // a block that did nothing
  kApplied,      // no reply: the entry that a follower waited for is applied
  kNoTick,       // no reply: log time cannot move now; the follower's read must do without
  kLost,         // the outcome is not known: close the connection (promise 3)
  kRefused,      // an error; the operation was not applied, and never will be
  kBarrier,      // no reply: a read that was received before it was asked for may take its view
  kRetry,        // no reply: what the session waits for does not come here; it looks again
};

// One reply, or those of a run of requests that stand behind each other in one pipeline.
struct Reply {
  ReplyTo to;  // of a run: its first
  ReplyKind kind = ReplyKind::kReplied;
  bool is_block = false;  // one reply, of a block: in parts, one a call
  size_t begin = 0;       // in ReplyBatch::bytes
  size_t end = 0;
  // In ReplyBatch::ends: where each reply of the run ends, or each part of a block.
  size_t ends_begin = 0;
  size_t ends_end = 0;
};

// Replies of one loop's sessions, in the order of the log.
struct ReplyBatch {
  // A reply that is not of a run: bytes from `begin` on.
  void add(const ReplyTo& to, size_t begin) {
    ends.push_back(bytes.size());
    replies.push_back(Reply{.to = to,
                            .begin = begin,
                            .end = bytes.size(),
                            .ends_begin = ends.size() - 1,
                            .ends_end = ends.size()});
  }
  base::Bytes bytes;
  std::vector<Reply> replies;
  std::vector<size_t> ends;
  bool is_empty() const { return replies.empty(); }
};

// What is told where nobody leads that is known: it was not done, and may be asked again.
inline constexpr std::string_view kNoLeader = "CLUSTERDOWN No leader";
inline constexpr std::string_view kRemoved =
    "CLUSTERDOWN This node was removed from its cluster: ask another one";

// An error in place of the reply: `before` and `words` make its line.
void add_refusal(std::vector<ReplyBatch>& batches, const ReplyTo& to, std::string_view before,
                 std::string_view words);

class ReplyRouter {
 public:
  virtual ~ReplyRouter() = default;
  virtual void deliver(uint32_t loop, ReplyBatch batch) = 0;
  virtual uint32_t loop_count() const = 0;
};

}  // namespace alfheim::replica
