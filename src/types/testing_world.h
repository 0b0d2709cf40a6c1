// types/testing_world: one index, one log and 16 databases, for tests.
//
// Each apply() is an entry of its own with the next index; values given with give() stand in
// that entry, as a command's arguments would. Not for the product.
#pragma once

#include "types/database.h"
#include "types/testing_records.h"

namespace alfheim::types {

struct TestingWorld {
  MemoryRecords records;
  MemoryValues values;
  DatabaseTable table = DatabaseTable::make_new();
  ApplyPoint point{.index = base::LogIndex{1}, .seed = 7, .value_threshold_bytes = 1024};
  base::Stamp log_time{1'000'000};

  void next_entry(uint64_t ms = 1) {
    point = ApplyPoint{.index = point.index.next(),
                       .seed = point.seed * 6364136223846793005u + 1,
                       .value_threshold_bytes = point.value_threshold_bytes};
    log_time.ms += ms;
  }
  Database::Hands hands() { return {records, values, table, &records, &table, &point}; }
  // As apply sees it.
  Database writer(uint32_t index = 0) {
    return Database(hands(), base::DatabaseIndex{index}, Moment{log_time, log_time});
  }
  // As a read sees it when the leader's clock is `ahead_ms` beyond log time.
  Database reader(uint32_t index = 0, uint64_t ahead_ms = 0) {
    return Database({records, values, table}, base::DatabaseIndex{index},
                    Moment{log_time, base::Stamp{log_time.ms + ahead_ms}});
  }
  // The bytes as an argument that stands in the current entry.
  ValueInput give(base::ByteView bytes) {
    return ValueInput{bytes, bytes.size(), values.add(point.index, bytes), {}};
  }
  // The bytes as a body that went ahead in fragment entries of `piece_bytes`; the value
  // begins `skip_bytes` behind the first piece's start, as behind a command's other words.
  ValueInput give_fragments(base::ByteView bytes, uint32_t piece_bytes, uint32_t skip_bytes = 0) {
    const base::Bytes body = base::Bytes(skip_bytes, '#') + base::Bytes(bytes);
    FragmentList list{skip_bytes, bytes.size(), {}};
    for (size_t from = 0; from < body.size(); from += piece_bytes) {
      const base::ByteView piece = base::ByteView(body).substr(from, piece_bytes);
      list.pieces.push_back({point.index, values.add(point.index, piece),
                             static_cast<uint32_t>(piece.size()), base::crc32c(piece)});
      next_entry(0);
    }
    return ValueInput{
        {}, bytes.size(), std::nullopt, std::make_shared<const FragmentList>(std::move(list))};
  }
};

}  // namespace alfheim::types
