#include "server/storage.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <xxhash.h>

#include <filesystem>

#include "env/posix/posix_clock.h"
#include "env/posix/posix_disk.h"
#include "env/posix/posix_random.h"

namespace alfheim::server {
namespace {

class StorageTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "alf_storage_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    options_.storage.dir = root_ + "/data";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  base::Result<Storage> open() {
    return open_storage({disk_, random_, clock_, *table_, {}}, options_, {});
  }

  std::string root_;
  Options options_;
  env::PosixDisk disk_;
  env::PosixRandom random_;
  env::PosixClock clock_;
  const std::unique_ptr<const command::Table> table_ = command::Table::make();
};

// XXH3 multiplies 8 bytes of the input, xored with 8 of its secret, with the 8 that follow:
// where they are the secret's own, what follows does not matter. A known seed tells the secret.
base::Bytes colliding_key(uint64_t number) {
  constexpr char kSecretAt16[] = "\xde\xd4\x6d\xe9\x83\x90\x97\xdb";
  base::Bytes user_key = "{x}";  // one hash slot, so that the prefix is the same
  user_key.append(kSecretAt16, 8);
  base::put_u64(user_key, number);
  return types::key_record_key(types::Epoch{1}, user_key);
}

TEST_F(StorageTest, KeysMadeToCollideUnderAKnownSeedDoNotCollideInTheIndex) {
  constexpr uint64_t kKeyCount = 2000;
  base::Result<Storage> storage = open();
  ASSERT_TRUE(storage.is_ok()) << storage.error().message;
  const auto hash_of = [](const base::Bytes& key) { return XXH3_64bits(key.data(), key.size()); };
  for (uint64_t i = 0; i < kKeyCount; ++i) {
    const base::Bytes key = colliding_key(i);
    ASSERT_EQ(hash_of(key), hash_of(colliding_key(0))) << "no collision, nothing is shown";
    const index::Mutation mutation{key, "v"};
    storage->index->write({&mutation, 1}, 1);  // a table that is full of one hash aborts
  }
  EXPECT_EQ(storage->index->stats().record_count, kKeyCount);
}

}  // namespace
}  // namespace alfheim::server
