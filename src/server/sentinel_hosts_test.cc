#include "server/sentinel_hosts.h"

#include <gtest/gtest.h>

namespace alfheim::server {
namespace {

TEST(SentinelHosts, AreKeptOnceAndTheOldestGoFirst) {
  SentinelHosts hosts;
  EXPECT_FALSE(hosts.contains("10.0.0.1"));
  EXPECT_TRUE(hosts.add("10.0.0.1"));
  EXPECT_FALSE(hosts.add("10.0.0.1"));
  EXPECT_TRUE(hosts.contains("10.0.0.1"));
  EXPECT_EQ(hosts.all(), std::vector<std::string>{"10.0.0.1"});
  for (size_t i = 0; i < SentinelHosts::kHostsMax; ++i) EXPECT_TRUE(hosts.add(std::to_string(i)));
  EXPECT_EQ(hosts.all().size(), SentinelHosts::kHostsMax);
  EXPECT_FALSE(hosts.contains("10.0.0.1"));
  EXPECT_TRUE(hosts.contains("0"));
}

TEST(SentinelHosts, AreAnnouncedOnceByTheNodeThatWasAsked) {
  SentinelHosts hosts;
  std::vector<std::string> told;
  hosts.set_announce([&told](const std::string& host) { told.push_back(host); });
  hosts.add("10.0.0.1");  // another node told of it
  hosts.add_asker("10.0.0.1");
  hosts.add_asker("10.0.0.2");
  hosts.add_asker("10.0.0.2");
  EXPECT_EQ(told, std::vector<std::string>{"10.0.0.2"});
}

}  // namespace
}  // namespace alfheim::server
