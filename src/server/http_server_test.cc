#include "server/http_server.h"

#include <gtest/gtest.h>

#include "env/posix/posix_clock.h"
#include "server/http_library.h"
#include "server/testing_node.h"

namespace alfheim::server {
namespace {

TEST(HttpServer, AnswersOnThePortThatItTookAndEndsWithTheExecutor) {
  TestNode node;
  node.serve();
  const env::PosixClock clock;
  const std::unique_ptr<env::PosixExecutor> executor = must(env::PosixExecutor::create(clock, {}));
  const std::unique_ptr<HttpServer> server = must(HttpServer::bind({"127.0.0.1", 0}));
  const env::PeerAddress address = server->local_address();
  ASSERT_NE(address.port, 0);
  ASSERT_TRUE(server->serve(*executor, node.services()).is_ok());
  httplib::Client client(address.host, address.port);
  for (const char* path : {"/health", "/leader", "/metrics", "/"}) {
    const httplib::Result result = client.Get(path);
    ASSERT_TRUE(result) << path;
    EXPECT_EQ(result->status, 200) << path;
  }
  EXPECT_EQ(client.Get("/nosuch")->status, 404);
  executor->stop();
}

TEST(HttpServer, AStopRightAfterTheStartEndsItToo) {
  TestNode node;
  const env::PosixClock clock;
  for (int round = 0; round < 5; ++round) {
    const std::unique_ptr<env::PosixExecutor> executor =
        must(env::PosixExecutor::create(clock, {}));
    const std::unique_ptr<HttpServer> server = must(HttpServer::bind({"127.0.0.1", 0}));
    ASSERT_TRUE(server->serve(*executor, node.services()).is_ok());
    executor->stop();
  }
}

TEST(HttpServer, AUsedPortIsRefusedWithOneLine) {
  const std::unique_ptr<HttpServer> first = must(HttpServer::bind({"127.0.0.1", 0}));
  const env::PeerAddress address = first->local_address();
  const base::Result<std::unique_ptr<HttpServer>> second = HttpServer::bind(address);
  ASSERT_FALSE(second.is_ok());
  EXPECT_EQ(second.error().message,
            "listen for HTTP at " + address_text(address) +
                ": Address already in use (--http-addr chooses another address)");
}

}  // namespace
}  // namespace alfheim::server
