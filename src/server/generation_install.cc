// How a fetched snapshot becomes the node's state, and what goes afterwards.
#include <algorithm>

#include "base/format.h"
#include "base/mutant.h"
#include "env/file_tree.h"
#include "server/generation.h"
#include "server/layout.h"
#include "upkeep/snapshot_staging.h"
#include "vlog/meta.h"
#include "vlog/segment_names.h"

namespace alfheim::server {
namespace {

// What the new log must not forget is the node's own: who it is, and whom it voted for.
vlog::Meta meta_for(const upkeep::SnapshotManifest& manifest, const vlog::Meta& own) {
  vlog::Meta meta;
  meta.identity = own.identity;
  if (!ALF_MUTANT(InstallForgetsTheVote)) meta.hard_state = own.hard_state;
  meta.log_start = manifest.log_first;
  meta.log_start_previous_term = manifest.previous_term;
  meta.trims = manifest.trims;
  for (const upkeep::SnapshotFile& file : manifest.files) {
    const size_t name_begin = file.name.find('/') + 1;
    if (const auto id = vlog::parse_segment_name(std::string_view(file.name).substr(name_begin))) {
      meta.next_segment_id = std::max(meta.next_segment_id, *id + 1);
    }
  }
  return meta;
}

base::Error refused(uint64_t id, std::string_view words) {
  return base::Error{base::ErrorCode::kInvalidArgument,
                     base::format("install snapshot {:016x}: {}", id, words)};
}

base::Status check_fits(const upkeep::SnapshotManifest& manifest, const vlog::Meta& own) {
  if (!vlog::is_same_group(manifest.origin, own.identity)) {
    return refused(manifest.id, "it is of another group");
  }
  if (manifest.last < own.log_start) {
    return refused(manifest.id, base::format("it ends at entry {}, the log here begins at {}",
                                             manifest.last.value, own.log_start.value));
  }
  return base::ok();
}

// Links, so that a crash leaves the fetched files where they are, to be installed again.
base::Status link_files(env::Disk& disk, const std::string& from, const std::string& to,
                        const upkeep::SnapshotManifest& manifest) {
  ALF_TRY_STATUS(env::remove_tree(disk, to));
  ALF_TRY_STATUS(disk.make_dir(to));
  ALF_TRY_STATUS(disk.make_dir(log_dir(to)));
  ALF_TRY_STATUS(disk.make_dir(index_dir(to)));
  for (const upkeep::SnapshotFile& file : manifest.files) {
    const bool is_left_out =
        ALF_MUTANT(InstalledIndexWithOldLog) && file.name.starts_with(upkeep::kSnapshotLogDir);
    if (!is_left_out) ALF_TRY_STATUS(disk.link(from + "/" + file.name, to + "/" + file.name));
  }
  const std::string name(upkeep::kManifestName);
  return disk.link(from + "/" + name, to + "/" + name);
}

base::Status sync_names(env::Disk& disk, const std::string& dir, const Generation& generation) {
  for (const std::string& each :
       {log_dir(generation.dir), index_dir(generation.dir), generation.dir, dir}) {
    ALF_TRY_STATUS(disk.sync_dir(each));
  }
  return base::ok();
}

}  // namespace

base::Status remove_leftovers(env::Disk& disk, const std::string& dir, const Generation& current) {
  // A killed process may have left a switch that can be seen and is not durable: what it switched
  // from must not go before.
  if (current.number > 0 && !ALF_MUTANT(OldStateGoneBeforeTheSwitch)) {
    ALF_TRY_STATUS(disk.sync_dir(dir));
  }
  ALF_TRY(const std::vector<std::string> names, disk.list(dir));
  bool is_changed = false;
  const auto remove = [&](const std::string& path) -> base::Status {
    is_changed = true;
    return env::remove_tree(disk, path);
  };
  for (const std::string& name : names) {
    const std::string path = dir + "/" + name;
    const bool is_other = name.starts_with(kGenerationPrefix) && path != current.dir;
    const bool is_first = current.number > 0 && (path == log_dir(dir) || path == index_dir(dir));
    const bool is_made = path == snapshots_dir(dir) || path == generation_path(dir) + ".new";
    if (is_other || is_first || is_made) ALF_TRY_STATUS(remove(path));
  }
  if (current.number > 0) {
    // Its files have two names until then, and are not written over.
    ALF_TRY(const upkeep::SnapshotManifest manifest, upkeep::read_manifest(disk, current.dir));
    const std::string staged = upkeep::staged_path(incoming_dir(dir), manifest.id);
    ALF_TRY(const bool is_staged, disk.exists(staged));
    if (is_staged) ALF_TRY_STATUS(remove(staged));
  }
  return is_changed ? disk.sync_dir(dir) : base::ok();
}

base::Result<Generation> install_snapshot(env::Disk& disk, const std::string& dir, uint64_t id) {
  const std::string staged = upkeep::staged_path(incoming_dir(dir), id);
  ALF_TRY(const Generation old, current_generation(disk, dir));
  ALF_TRY(const upkeep::SnapshotManifest manifest, upkeep::read_manifest(disk, staged));
  ALF_TRY(const std::unique_ptr<vlog::MetaFile> own, vlog::MetaFile::open(disk, log_dir(old.dir)));
  ALF_TRY_STATUS(check_fits(manifest, own->current()));
  const Generation next = generation_of(dir, old.number + 1);
  ALF_TRY_STATUS(link_files(disk, staged, next.dir, manifest));
  ALF_TRY_STATUS(
      vlog::MetaFile::create(disk, log_dir(next.dir), meta_for(manifest, own->current())));
  if (ALF_MUTANT(SwitchBeforeSync)) {
    ALF_TRY_STATUS(write_generation(disk, dir, next.number));
    ALF_TRY_STATUS(sync_names(disk, dir, next));
    return next;
  }
  ALF_TRY_STATUS(sync_names(disk, dir, next));
  ALF_TRY_STATUS(write_generation(disk, dir, next.number));
  return next;
}

}  // namespace alfheim::server
