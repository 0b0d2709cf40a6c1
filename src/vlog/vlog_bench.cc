// What an append costs: on the real disk (of the directory it is started in) and in CPU alone.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "env/posix/posix_disk.h"
#include "sim/hands/sim_random.h"
#include "vlog/log.h"

namespace alfheim::vlog {
namespace {

constexpr const char* kBenchDir = "vlog_bench_data";

// A disk whose durable writes go nowhere, so that encoding and bookkeeping are all that is left.
class NullFile final : public env::File {
 public:
  explicit NullFile(std::unique_ptr<env::File> file) : file_(std::move(file)) {}
  base::Result<size_t> read_at(uint64_t offset, std::span<char> out, env::ReadMode mode) override {
    return file_->read_at(offset, out, mode);
  }
  base::Status write_at(uint64_t, base::ByteView) override { return base::ok(); }
  base::Status write_at_durable(uint64_t offset, base::ByteView data) override {
    return offset == 0 ? file_->write_at_durable(offset, data) : base::ok();
  }
  base::Status sync() override { return base::ok(); }
  base::Result<uint64_t> size_bytes() override { return file_->size_bytes(); }
  base::Status allocate(uint64_t size) override { return file_->allocate(size); }
  base::Status truncate(uint64_t size) override { return file_->truncate(size); }

 private:
  std::unique_ptr<env::File> file_;
};

class NullDisk final : public env::Disk {
 public:
  base::Result<std::unique_ptr<env::File>> open(const std::string& path,
                                                env::OpenOptions options) override {
    ALF_TRY(auto file, disk_.open(path, options));
    if (!path.ends_with(".new") || !options.is_direct) return file;
    return std::unique_ptr<env::File>(std::make_unique<NullFile>(std::move(file)));
  }
  base::Status rename(const std::string& a, const std::string& b) override {
    return disk_.rename(a, b);
  }
  base::Status unlink(const std::string& path) override { return disk_.unlink(path); }
  base::Status link(const std::string& a, const std::string& b) override {
    return disk_.link(a, b);
  }
  base::Result<uint64_t> link_count(const std::string& p) override { return disk_.link_count(p); }
  base::Result<bool> exists(const std::string& path) override { return disk_.exists(path); }
  base::Status make_dir(const std::string& path) override { return disk_.make_dir(path); }
  base::Status remove_dir(const std::string& path) override { return disk_.remove_dir(path); }
  base::Status sync_dir(const std::string& path) override { return disk_.sync_dir(path); }
  base::Result<std::vector<std::string>> list(const std::string& p) override {
    return disk_.list(p);
  }
  base::Result<std::unique_ptr<env::FileLock>> lock(const std::string& p) override {
    return disk_.lock(p);
  }
  base::Result<uint64_t> free_bytes(const std::string& p) override { return disk_.free_bytes(p); }

 private:
  env::PosixDisk disk_;
};

void run_append(benchmark::State& state, env::Disk& disk, uint32_t spare_count) {
  std::filesystem::remove_all(kBenchDir);
  sim::SimRandom random(1);
  auto opened = Log::open(disk, random,
                          {.dir = kBenchDir,
                           .identity = {1, {1}, {1}},
                           .prewritten_segment_count = spare_count,
                           .progress = {}});
  if (!opened.is_ok()) return state.SkipWithError(opened.error().message.c_str());
  Log& log = **opened;
  if (auto filled = log.replenish_spares(); !filled.is_ok()) {
    return state.SkipWithError(filled.error().message.c_str());
  }
  const auto payload =
      std::make_shared<const base::Bytes>(static_cast<size_t>(state.range(0)), 'x');
  uint64_t index = 0;
  for (auto _ : state) {
    ++index;
    const raft::Entry entry{.index = {index},
                            .term = {1},
                            .kind = raft::EntryKind::kCommands,
                            .stamp = {index},
                            .seed = index,
                            .payload = payload};
    const base::Status status = log.append({&entry, 1});
    if (!status.is_ok()) return state.SkipWithError(status.error().message.c_str());
  }
  state.SetBytesProcessed(static_cast<int64_t>(index) * state.range(0));
  state.SetItemsProcessed(static_cast<int64_t>(index));
  opened.value().reset();
  std::filesystem::remove_all(kBenchDir);
}

void BM_AppendDurable(benchmark::State& state) {
  env::PosixDisk disk;
  run_append(state, disk, 0);
}
void BM_AppendDurablePrewritten(benchmark::State& state) {
  env::PosixDisk disk;
  run_append(state, disk, 2);
}
void BM_AppendCpuOnly(benchmark::State& state) {
  NullDisk disk;
  run_append(state, disk, 0);
}

BENCHMARK(BM_AppendDurable)->Arg(3000)->Arg(60'000)->Arg(1'000'000)->UseRealTime();
BENCHMARK(BM_AppendDurablePrewritten)->Arg(3000)->Arg(60'000)->UseRealTime();
BENCHMARK(BM_AppendCpuOnly)->Arg(3000)->Arg(60'000)->Arg(1'000'000);

}  // namespace
}  // namespace alfheim::vlog
