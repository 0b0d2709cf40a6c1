// Runs tests/scenarios/raft/*.txt. `raft_tests --rewrite` writes what happens into their
// `then` lines instead of comparing; the words are explained in docs/raft.md.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "raft/node_testing.h"

namespace alfheim::raft {
namespace {

bool must_rewrite = false;  // set once by main(), before any test runs

using Words = std::vector<std::string>;

Words split(const std::string& line) {
  std::istringstream stream(line);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

uint64_t number(const std::string& word) { return std::stoull(word); }

std::vector<uint64_t> numbers(const std::string& list) {
  std::vector<uint64_t> all;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) all.push_back(number(word));
  return all;
}

const std::map<std::string, ChangeKind> kChanges = {{"add", ChangeKind::kAddLearner},
                                                    {"promote", ChangeKind::kPromote},
                                                    {"demote", ChangeKind::kDemote},
                                                    {"remove", ChangeKind::kRemove},
                                                    {"replace", ChangeKind::kReplace}};

class Scenario {
 public:
  void given(const Words& words) {
    TestGroup::Options options;
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      const std::string key = words[i].substr(0, equals);
      const std::string value = words[i].substr(equals + 1);
      if (key == "nodes")
        options.node_count = number(value);
      else if (key == "pre_vote")
        options.has_pre_vote = value == "on";
      else if (key == "check_quorum")
        options.has_check_quorum = value == "on";
      else if (key == "seed")
        options.seed = number(value);
      else if (key == "uncommitted_bytes_max")
        options.uncommitted_bytes_max = number(value);
      else if (key == "learners")
        for (uint64_t id : numbers(value)) options.learners.insert(id);
      else
        ADD_FAILURE() << "unknown word: " << words[i];
    }
    group_ = std::make_unique<TestGroup>(options);
  }

  void when(const Words& words) {
    const std::string& verb = words.at(1);
    group_->clear_trace();
    answer_ = "ok";
    if (verb == "heal") return group_->heal();
    if (verb == "ticks") return group_->tick_all(static_cast<int>(number(words.at(2))));
    const uint64_t id = number(words.at(2));
    if (verb == "campaign")
      group_->campaign(id);
    else if (verb == "tick")
      group_->tick(id, static_cast<int>(number(words.at(3))));
    else if (verb == "propose")
      keep(group_->propose(id, words.at(3)));
    else if (verb == "read")
      keep(group_->read(id, number(words.at(3))));
    else if (verb == "transfer")
      keep(group_->transfer(id, number(words.at(3))));
    else if (verb == "compact")
      group_->start_log_at(id, number(words.at(3)));
    else if (verb == "offer")
      keep(group_->offer(id, number(words.at(3))));
    else if (verb == "fail")
      group_->fail_snapshot(id, number(words.at(3)));
    else if (verb == "install")
      answer_ = group_->install(id);
    else if (kChanges.contains(verb))
      keep(group_->change(id, kChanges.at(verb), number(words.at(3))));
    else if (verb == "isolate")
      group_->isolate(id);
    else if (verb == "cut")
      for (uint64_t to : numbers(words.at(4))) group_->cut(id, to);
    else if (verb == "hold")
      group_->hold_disk(id);
    else if (verb == "release")
      group_->release_disk(id);
    else if (verb == "finish")
      group_->finish_writes(id, number(words.at(3)));
    else if (verb == "crash")
      group_->crash(id);
    else
      ADD_FAILURE() << "unknown verb: " << verb;
  }

  static std::string peers_of(const NodeStatus& status) {
    const char* const names[] = {"probe", "replicate", "snapshot"};
    std::vector<std::string> peers;
    for (const PeerStatus& peer : status.peers) {
      std::string text =
          fmt::format("{} {} match={} next={}", peer.id.value, names[static_cast<int>(peer.state)],
                      peer.match.value, peer.next.value);
      if (peer.snapshot_index.value > 0) {
        text += fmt::format(" offered={}", peer.snapshot_index.value);
      }
      peers.push_back(text);
    }
    return fmt::format("{}", fmt::join(peers, " | "));
  }

  // What really is, in the words of a `then` line about `subject`.
  std::string found(const Words& subject) const {
    if (subject.at(0) == "answer") return answer_;
    if (subject.at(0) == "messages") return fmt::format("{}", fmt::join(group_->trace(), " | "));
    if (subject.at(0) == "read") return group_->read_result(number(subject.at(1)));
    if (subject.at(0) == "applied") {
      return fmt::format("{}", fmt::join(group_->applied(number(subject.at(1))), " "));
    }
    if (subject.at(0) == "offered") return group_->snapshot_offered(number(subject.at(1)));
    if (subject.at(0) == "wanted") {
      return fmt::format("{}", fmt::join(group_->snapshots_wanted(number(subject.at(1))), " "));
    }
    const NodeStatus status = group_->status(number(subject.at(1)));
    if (subject.at(0) == "configuration") return describe(status.configuration);
    if (subject.at(0) == "peers") return peers_of(status);
    return describe(status);
  }

 private:
  template <typename Outcome>
  void keep(const Outcome& outcome) {
    if (!outcome.is_ok()) answer_ = std::string(base::error_code_name(outcome.error().code));
  }

  std::unique_ptr<TestGroup> group_;
  std::string answer_;
};

void run(const std::filesystem::path& path) {
  SCOPED_TRACE(path.filename().string());
  std::ifstream input(path);
  Scenario scenario;
  std::string output;
  int line_number = 0;
  for (std::string line; std::getline(input, line); output += line + "\n") {
    ++line_number;
    const Words words = split(line);
    if (words.empty() || words[0][0] == '#') continue;
    if (words[0] == "given") {
      scenario.given(words);
    } else if (words[0] == "when") {
      scenario.when(words);
    } else {
      const size_t colon = line.find(':');
      ASSERT_TRUE(words[0] == "then" && colon != std::string::npos) << line_number << ": " << line;
      const std::string head = line.substr(0, colon + 1);
      const std::string found = scenario.found(split(line.substr(4, colon - 4)));
      const std::string is = found.empty() ? head : head + " " + found;
      if (must_rewrite) line = is;
      EXPECT_EQ(line, is) << "at line " << line_number;
    }
  }
  if (must_rewrite) std::ofstream(path, std::ios::trunc) << output;
}

TEST(RaftScenarios, AllFilesSayWhatHappens) {
  std::vector<std::filesystem::path> paths;
  for (const auto& file :
       std::filesystem::directory_iterator(ALF_SOURCE_DIR "/tests/scenarios/raft")) {
    if (file.path().extension() == ".txt") paths.push_back(file.path());
  }
  std::sort(paths.begin(), paths.end());
  EXPECT_GE(paths.size(), 5u);
  for (const auto& path : paths) run(path);
}

}  // namespace
}  // namespace alfheim::raft

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--rewrite") alfheim::raft::must_rewrite = true;
    if (std::string(argv[i]) == "--chaos" && i + 2 < argc) {
      alfheim::raft::chaos_seeds = {std::stoull(argv[i + 1]), std::stoull(argv[i + 2]), true};
    }
  }
  return RUN_ALL_TESTS();
}
