// replica/snapshot_fetcher: fetches the snapshot that a leader offers, file by file.
//
// Asks for the list, then for the pieces of one file after the other, a few at a time, and again
// for what does not come: the asking side keeps the pace. What has come is staged on disk
// (upkeep/snapshot_staging), so that it goes on where it was after a lost connection, a restart of
// this node, and while the sender has the files also after it leads no more. When all is here and
// verified the node is told; it stops, and installs it before it starts again (server/generation).
// Nothing of the running node is touched.
//
// Thread: the core strand. Lifetime: hands outlive it, and it outlives what it posted.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/clock.h"
#include "env/executor.h"
#include "net/peer_transport.h"
#include "raft/message.h"
#include "upkeep/snapshot_staging.h"
#include "vlog/meta_v1.h"

namespace alfheim::replica {

struct SnapshotFetching {
  base::NodeId from;
  uint64_t snapshot_id = 0;
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;  // 0: not known yet
};

class SnapshotFetcher {
 public:
  struct Hands {
    const env::Clock& clock;
    env::Executor& executor;
    env::Strand& core;
    upkeep::SnapshotStaging& staging;
    net::PeerTransport& transport;
  };
  struct Options {
    vlog::Identity identity;
    uint64_t piece_bytes = net::kChunkBytesMax;
    uint64_t kept_free_bytes = 0;  // of the disk
  };
  struct Events {
    // Whether this node still lacks what the mark names. Also when the log is closed.
    std::function<bool(const raft::SnapshotMark&)> is_wanted;
    // All of it is here, durable. Once.
    std::function<void()> on_ready;
    std::function<void(const std::string&)> on_trouble;  // one line
  };
  SnapshotFetcher(const Hands& hands, const Options& options, Events events)
      : hands_(hands), options_(options), events_(std::move(events)) {}

  void offer(base::NodeId from, const raft::SnapshotMark& mark);
  // What a peer answers; else nothing happens.
  void on_note(base::NodeId from, const net::NoteBody& body);
  void on_tick();
  void stop();

  // What is here whole and still wanted: to be installed when the node has stopped and its log is
  // closed. 0: nothing.
  uint64_t ready() const;
  std::optional<SnapshotFetching> fetching() const;
  uint64_t fetched_count() const { return fetched_count_; }

 private:
  enum class Phase : uint8_t { kListing, kFetching, kWaiting, kReady };
  struct Offer {
    base::NodeId from;
    raft::SnapshotMark mark;
  };
  struct Asked {
    uint64_t length = 0;
    uint64_t first_ms = 0;  // when it was first asked for
    uint64_t asked_ms = 0;  // and last
  };
  struct Fetch {
    Offer offer;
    Phase phase = Phase::kListing;
    std::vector<upkeep::SnapshotFile> files;  // MANIFEST first
    std::vector<uint64_t> held;               // of each, on disk
    size_t current = 0;                       // the file that is fetched
    uint64_t next_offset = 0;                 // of it, to ask for
    std::map<uint64_t, Asked> asked;          // by offset
    std::map<uint64_t, std::shared_ptr<const base::Bytes>> arrived;
    uint64_t heard_ms = 0;  // when anything of it came
    uint64_t piece_ms = 0;  // that the last piece took from its first question
    uint64_t asked_ms = 0;  // for the list; or until when it waits
    uint32_t bad_count = 0;
  };

  void start(const Offer& offer);
  void give_up();
  void wait(uint64_t delay_ms, const base::Error& why);
  void ask_list();
  void on_list(const net::SnapshotList& list);
  void on_opened(base::Result<std::vector<uint64_t>> held);
  void on_chunk(const net::SnapshotChunk& chunk);
  void begin_file();
  void ask_pieces();
  void ask(uint64_t offset, Asked& piece);
  void ask_for_missing();
  uint64_t ask_again_ms() const;
  void advance();
  void write_arrived();
  void verify_file();
  void finish();
  void on_finished(base::Result<upkeep::SnapshotManifest> manifest);
  // Runs `work` on the pool, then `then` on the core if the fetch is still the same.
  template <typename Work, typename Then>
  void work(Work work, Then then);
  void send(net::NoteBody body);

  Hands hands_;
  Options options_;
  Events events_;
  std::optional<Fetch> fetch_;
  std::optional<Offer> next_;  // of another snapshot, while one is under way
  uint64_t epoch_ = 0;         // of fetch_: what the pool did for another one does not count
  bool is_pool_busy_ = false;  // staging does one thing at a time
  uint64_t fetched_count_ = 0;
  bool is_stopping_ = false;
};

}  // namespace alfheim::replica
