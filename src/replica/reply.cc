#include "replica/reply.h"

#include "base/check.h"

namespace alfheim::replica {

void add_refusal(std::vector<ReplyBatch>& batches, const ReplyTo& to, std::string_view before,
                 std::string_view words) {
  if (to.session == 0) return;
  ALF_CHECK(to.loop < batches.size());
  ReplyBatch& batch = batches[to.loop];
  Reply reply{.to = to, .kind = ReplyKind::kRefused, .begin = batch.bytes.size()};
  batch.bytes += '-';
  batch.bytes += before;
  batch.bytes += words;
  batch.bytes += "\r\n";
  reply.end = batch.bytes.size();
  batch.replies.push_back(reply);
}

}  // namespace alfheim::replica
