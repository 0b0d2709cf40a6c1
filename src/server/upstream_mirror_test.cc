#include "server/upstream_mirror.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "command/table.h"
#include "resp/cut_all.h"

namespace alfheim::server {
namespace {

class Mirror : public testing::Test {
 protected:
  // The requests of the greeting, each as its words with spaces between.
  std::vector<std::string> greetings() {
    base::Bytes bytes;
    const size_t count = mirror_.add_greetings(bytes, now_);
    std::vector<std::string> all;
    for (const std::vector<std::string>& words :
         resp::cut_all(bytes, {}, [&] { return bytes.size(); }).requests) {
      all.emplace_back();
      for (const std::string& word : words) all.back() += (all.back().empty() ? "" : " ") + word;
    }
    EXPECT_EQ(all.size(), count);
    return all;
  }
  void note(std::string_view name, size_t word_count = 1) {
    const command::Row* row = table_->find(name);
    ASSERT_NE(row, nullptr) << name;
    mirror_.note_request(row, word_count, info_);
  }

  const std::unique_ptr<const command::Table> table_ = command::Table::make();
  UpstreamMirror mirror_;
  UpstreamMirror::Client now_;
  ClientInfo info_;
};

using Words = std::vector<std::string>;

TEST_F(Mirror, SaysWhatChangedAndOnlyThat) {
  EXPECT_EQ(greetings(), Words{});
  now_.protocol = resp::ProtocolVersion::kResp3;
  now_.database = base::DatabaseIndex{4};
  now_.names = {"me", "lib", "1.2"};
  EXPECT_EQ(greetings(), (Words{"HELLO 3", "SELECT 4", "CLIENT SETNAME me",
                                "CLIENT SETINFO LIB-NAME lib", "CLIENT SETINFO LIB-VER 1.2"}));
  EXPECT_EQ(greetings(), Words{});
  now_.database = base::DatabaseIndex{0};
  EXPECT_EQ(greetings(), Words{"SELECT 0"});
  mirror_.begin();  // a new connection
  EXPECT_EQ(greetings().size(), 4u);
}

TEST_F(Mirror, WhatIsRefusedEndsNoBlock) {
  note("multi", 2);
  EXPECT_FALSE(mirror_.takes_all());
  note("multi");
  note("discard", 2);
  note("exec", 3);
  EXPECT_TRUE(mirror_.takes_all());
  note("discard");
  EXPECT_FALSE(mirror_.takes_all());
}

TEST_F(Mirror, SaysNothingWithinABlock) {
  note("multi");
  now_.database = base::DatabaseIndex{4};
  EXPECT_EQ(greetings(), Words{});
  note("exec");
  EXPECT_EQ(greetings(), Words{"SELECT 4"});
}

TEST_F(Mirror, ABlockTakesAllAndIsCounted) {
  EXPECT_FALSE(mirror_.is_bound());
  note("watch", 3);
  EXPECT_TRUE(mirror_.has_watch());
  EXPECT_TRUE(mirror_.is_bound());
  EXPECT_FALSE(mirror_.takes_all());
  EXPECT_EQ(info_.watch_count.load(), 2u);
  note("multi");
  EXPECT_TRUE(mirror_.takes_all());
  EXPECT_EQ(info_.queued_count.load(), 0);
  note("get", 2);
  note("ping");
  mirror_.note_request(nullptr, 1, info_);  // no command, so it is not queued
  EXPECT_EQ(info_.queued_count.load(), 2);
  note("exec");
  EXPECT_FALSE(mirror_.takes_all());
  EXPECT_FALSE(mirror_.has_watch());
  EXPECT_EQ(info_.queued_count.load(), -1);
  EXPECT_EQ(info_.watch_count.load(), 0u);
}

TEST_F(Mirror, WhatABlockDoesToTheConnectionTiesItForGood) {
  note("multi");
  note("select", 2);
  note("exec");
  EXPECT_TRUE(mirror_.is_bound());
  EXPECT_TRUE(mirror_.takes_all());
  mirror_.end(info_);
  EXPECT_FALSE(mirror_.is_bound());
}

TEST_F(Mirror, UnwatchLetsGoButNotWithinABlock) {
  note("watch", 2);
  note("multi");
  note("unwatch");
  EXPECT_TRUE(mirror_.has_watch());
  note("discard");
  EXPECT_FALSE(mirror_.has_watch());
  note("watch", 2);
  note("unwatch");
  EXPECT_FALSE(mirror_.is_bound());
}

TEST(UpstreamRequest, ItsBoundHolds) {
  const std::string large(100'000, 'x');
  const std::vector<base::ByteView> words = {"SET", "k", large};
  base::Bytes bytes;
  put_request(bytes, words);
  EXPECT_LE(bytes.size(), request_bytes_max(words));
  EXPECT_TRUE(bytes.starts_with("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n"));
}

}  // namespace
}  // namespace alfheim::server
