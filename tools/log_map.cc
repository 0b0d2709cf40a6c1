#include "tools/log_map.h"

#include "vlog/meta.h"

namespace alfheim::tools {

base::Result<LogMap> LogMap::read(env::Disk& disk, const std::string& log_dir) {
  LogMap map;
  // What is wrong with META and the files is verify_directory's to report.
  auto copies = vlog::MetaFile::read_copies(disk, log_dir);
  if (copies.is_ok()) {
    for (const base::Result<vlog::Meta>& copy : *copies) {
      if (!copy.is_ok()) continue;
      if (!map.meta_ || copy->generation > map.meta_->generation) map.meta_ = *copy;
    }
  }
  ALF_TRY_STATUS(vlog::for_each_record(
      disk, log_dir,
      [&map](const vlog::InspectedRecord& record) {
        map.add(record);
        return true;
      },
      [](const vlog::Problem&) {}));
  return map;
}

void LogMap::add(const vlog::InspectedRecord& record) {
  if (is_trimmed(record)) return;
  const uint64_t index = record.entry.index.value;
  if (!record.is_copied) entries_.erase(entries_.lower_bound(index), entries_.end());
  entries_[index] =
      EntryPlace{record.segment_id, record.offset_bytes,
                 static_cast<uint32_t>(record.entry.bytes().size()), record.entry.term};
}

bool LogMap::is_trimmed(const vlog::InspectedRecord& record) const {
  if (!meta_) return false;
  for (const vlog::SegmentTrim& trim : meta_->trims) {
    if (trim.segment_id == record.segment_id && record.entry.index > trim.last_index) return true;
  }
  return false;
}

const EntryPlace* LogMap::find(base::LogIndex index) const {
  const auto found = entries_.find(index.value);
  return found == entries_.end() ? nullptr : &found->second;
}

bool LogMap::holds(const vlog::InspectedRecord& record) const {
  const EntryPlace* place = find(record.entry.index);
  return place != nullptr && place->segment_id == record.segment_id &&
         place->offset_bytes == record.offset_bytes;
}

}  // namespace alfheim::tools
