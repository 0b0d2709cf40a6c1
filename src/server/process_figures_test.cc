#include "server/process_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

namespace alfheim::server {
namespace {

using testing::HasSubstr;

// The limits of this process, put back at the end.
class OpenFiles : public testing::Test {
 protected:
  OpenFiles() { EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0); }
  ~OpenFiles() override { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }
  static rlim_t soft_limit() {
    rlimit now{};
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
    return now.rlim_cur;
  }
  rlimit before_{};
};

TEST_F(OpenFiles, AsManyAreAllowedAsMayBe) {
  ASSERT_GT(before_.rlim_max, 512u);
  const rlimit few{.rlim_cur = 512, .rlim_max = before_.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  EXPECT_TRUE(allow_open_files(256).is_ok());  // also where so many were allowed
  EXPECT_EQ(soft_limit(), before_.rlim_max);
}

TEST_F(OpenFiles, FewerThanAreNeededAreTold) {
  const base::Status status = allow_open_files(uint64_t{before_.rlim_max} + 1);
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.error().code, base::ErrorCode::kLimit);
  EXPECT_THAT(status.error().message, HasSubstr(std::to_string(before_.rlim_max) + " are allowed"));
}

}  // namespace
}  // namespace alfheim::server
