// base/mutant_names: the bugs that can be planted, one sentence each; base/mutant.h says how.
//
// Each stands at one place (or, where two must agree, at both) as ALF_MUTANT(name), and has a row
// in scripts/mutants that says which suites should catch it; lint.mutants holds the three together.
// A sentence tells what a program with the bug does. They come from the invariants I1 to I10 of
// ARCHITECTURE.md and from what has gone wrong in other stores.
#pragma once

// clang-format off
#define ALF_MUTANT_NAMES(X) \
  X(NoBug, "Nothing is wrong, and it stands nowhere: the canary of the meter, to survive it.") \
  /* vlog: what a crash leaves, I1 I3 I4 I6 I7 I8 I10 */ \
  X(SyncSkipped, "A batch of the log counts when it was written, though it was not synced.") \
  X(NamedBeforeItsHeader, "A segment has its name before its header is durable.") \
  X(FooterNotSynced, "The next segment has its name before this one's footer is durable.") \
  X(DirectoryNotSynced, "Entries count though the name of their segment is not durable.") \
  X(NamedBeforeItsSync, \
    "META's syncs are swapped: its name is durable before what stands in it.") \
  X(OlderMetaPicked, "Of two good generations of META the older one is believed.") \
  X(VoteNotSynced, "Term and vote count when they were written, though not synced.") \
  X(TornRecordTaken, "A record is taken though the checksum of its payload does not match.") \
  X(StaleBytesTaken, \
    "A batch that an earlier use of the file left is taken: its uid is not looked at.") \
  X(FooterNotVerified, "A footer's table is believed though its checksum does not match.") \
  X(CopiedRecordTruncates, \
    "A copied record takes away entries behind its place, as a new one does.") \
  X(RotTakenForTorn, \
    "A bad batch with durable ones behind it is cut off as if a crash had torn it.") \
  X(TornTailAppendedTo, \
    "After an unclean stop the last segment is appended to, not copied forward.") \
  X(TruncatedEntryFound, \
    "What META says of truncated entries is forgotten: they are found again.") \
  X(TruncatedAddressResolved, \
    "What was truncated is still found in its segment while the node lives.") \
  X(LinkedFileRecycled, \
    "A segment is written over though somebody else has a link to its file.") \
  X(SpareBeforeItsName, "A recycled file is written over before its new name is durable.") \
  X(LogStartNotSaved, "Segments go though the log's new start does not stand in META.") \
  /* index: I1 I2 I9 */ \
  X(AppliedInAnotherBatch, "The applied index of an ingest is stored with the next one.") \
  X(CurrentBeforeItsDirectory, "CURRENT names a manifest whose own name is not durable.") \
  X(FileDeletedAfterFailedManifest, \
    "Files are deleted though a manifest that failed may name them.") \
  X(UnreadFileIngested, "A file whose first key could not be read is ingested as an empty one.") \
  X(RangeDeletionsLookedAt, "A walk looks for range deletions, and so steps over rotten files.") \
  X(FilterIgnoresViews, "Compaction drops what an open view may still read.") \
  X(ViewOlderThanTheRead, \
    "A view shows the last freeze, not the state when the request was whole.") \
  X(OverwrittenUnderAView, "A record is overwritten in place though an open view reads it.") \
  X(WarmedFromAnOldStore, "What was read before an ingest is kept in memory behind it.") \
  X(PersistedSaidTooHigh, "A freeze reports as persisted what was applied since it began.") \
  /* upkeep and types: I4 and what apply writes */ \
  X(LiveSegmentDropped, "A segment is dropped though a live value stands in it.") \
  X(FirstReferenceDecides, "A segment's first reference alone decides whether it is live.") \
  X(CopyWithoutReference, \
    "COPY and RENAME give the new key no reference to its value in the log.") \
  X(ExpiryRecordLeft, "A deadline that is taken away leaves its expiry record.") \
  X(DeadlineKeptBySet, "SET without KEEPTTL keeps the deadline.") \
  X(DeadlineOfADueKey, "An edit of a key that is due keeps the deadline of the dead one.") \
  X(DueKeyCountedAgain, "Writing over a key that is due counts it a second time.") \
  X(VersionReused, \
    "Two long strings that one MULTI makes share a version, and so their chunks.") \
  X(OptionReadInApply, "Which values are separated is this node's option, not the entry's.") \
  X(DueByTheLocalClock, "A read takes a key for dead by this node's clock, without a tick.") \
  X(DueTooEarly, "Due keys are removed a millisecond early.") \
  /* machine and replica: I1 I2 I3 */ \
  X(WatchNotChecked, "A block is applied whatever became of the keys that it watches.") \
  X(FragmentsSwept, "The log's start passes fragments whose command is still to come.") \
  X(BlockShownInParts, "Readers see a MULTI block half done.") \
  X(LogStartBeforePersisted, \
    "The log's start moves when a freeze begins, not when it is stored.") \
  X(ReplaySkipsTheLast, "A restart does not apply the last entry that it replays.") \
  X(HardStateNotSaved, "A new term and vote are never written.") \
  X(CountedBeforeDurable, \
    "An entry counts, is applied and answered while its write is under way.") \
  X(StopDoesNotWait, "A clean stop does not wait for writes that are under way.") \
  /* raft: who decides, and what a leader may believe */ \
  X(BlankNodeCampaigns, "A node that belongs to no group yet stands for election.") \
  X(RetiredIdTaken, "The id of a removed node is given to a new one.") \
  X(ConfigurationNotRolledBack, \
    "A configuration stays in force though its entry was truncated.") \
  X(ChangeBeforeOwnTermCommitted, \
    "A new leader changes the membership before it knows what is committed.") \
  X(TwoChangesAtOnce, "A change begins though the one before is not committed.") \
  X(AutoLeaveForgotten, "A joint configuration that is committed is never left.") \
  X(JointCountsNewOnly, "In joint consensus a majority of the incoming voters decides alone.") \
  X(LearnerCounted, "What learners hold counts for what is committed.") \
  X(RemovedStillCounted, \
    "Commits are counted by the applied configuration, in which a removed node votes.") \
  X(OfferTakenOverNewerLog, "A node takes a snapshot though its log holds more than that.") \
  X(LeaseKeptInTransfer, "A leader that hands over goes on to answer reads by its lease.") \
  X(LeaseFromStaleRound, \
    "An answer to an old round of heartbeats prolongs the lease as a new one.") \
  X(ReadByEndedLease, "A leader answers reads by a lease that ended before their view was taken.") \
  X(LeaseReadBehindFollowers, \
    "A read by lease does not wait for what followers may have shown already.") \
  X(LeaseWithoutPromise, "A leader's lease counts answers of nodes that have promised nothing.") \
  X(DriftForgotten, "A lease lasts as if no member's clock ran faster than another's.") \
  X(StaleRoundConfirms, "A late answer to an old round of heartbeats confirms a new read.") \
  X(ReadBeforeOwnTerm, "A leader answers reads before an entry of its own term is committed.") \
  X(ForwardedReadNotConfirmed, "A follower's read is granted without a round of heartbeats.") \
  X(VoteForAnyLog, "A vote is given though the candidate's log lacks what this one holds.") \
  X(FoundedByMajority, "A majority of the founders elects the first leader.") \
  X(FoundersUnrecorded, "The first leader does not write down whose votes it has.") \
  X(VotesTwice, "A second candidate of a term gets a vote, too.") \
  X(PreviousTermNotChecked, \
    "Entries are taken behind one of another term, if only there is one.") \
  X(TruncatedStaysDurable, \
    "What was durable counts as durable though another entry took its place.") \
  X(HeartbeatCommitsUnmatched, \
    "A heartbeat commits what its receiver may hold otherwise.") \
  X(VoteSentBeforeItsSync, "A vote, or a term's answer, leaves before it is durable.") \
  X(OldAppendTruncates, \
    "An old append that was overtaken takes away what came behind it and was acknowledged.") \
  X(CommitBeyondTheMatch, \
    "A follower commits its whole log, also what the leader has not compared.") \
  X(WholeLogAcknowledged, "A follower acknowledges its whole log, not only what it was sent.") \
  X(AcknowledgedBeforeItsSync, "A follower acknowledges entries before they are durable.") \
  X(OldTermsCounted, \
    "A leader commits an entry of an earlier term because a majority holds it.") \
  X(LeaderCountsUnsynced, "A leader counts itself before its own sync.") \
  X(ReadOfAnEarlierLife, \
    "The late answer to a read of an earlier life passes for one of this life.") \
  X(HalfElects, "Half of the voters elect.") \
  X(HalfCommits, "What half of the voters hold is committed.") \
  X(VoteRightAfterRestart, "A node that restarts forgets which leader it has promised time.") \
  /* server: order and replies */ \
  X(DeletesRefused, "A full disk refuses every write, also what would give room.") \
  X(GetMissesOwnSet, "A pipelined GET does not see the SET before it.") \
  X(ViewBeforeTheLastByte, "A read shows the state of when its request's first bytes came.") \
  X(GetSeesLaterSet, "A pipelined GET that goes to the pool sees the SET behind it.") \
  X(ReplySlotsSwapped, "Replies leave in the order in which they are ready.") \
  /* a group of several */ \
  X(HangingLeaderStays, "A leader whose disk hangs goes on leading; its clients hang with it.") \
  X(ReadWithoutBarrier, "A leader answers reads without proof that nobody else leads by now.") \
  X(AckOvertakesAWrite, \
    "What wants nothing durable is acknowledged while a write before it is under way.") \
  X(DisplacedTakenForRefuted, \
    "A client is told that its command was not done when another leader's entry took its place.") \
  X(AnsweredByAnothers, \
    "A client is answered by the entry that another leader put in its one's place.") \
  X(BarrierBeforeApplied, "A read that may be served is, before what it needs is applied.") \
  X(StampsGoBack, "A new leader begins with its own wall clock, not behind the last stamp.") \
  X(RedirectedThoughProposed, \
    "Whoever loses leadership says MOVED to commands that may still be committed.") \
  X(NoLeaderSaidAtOnce, \
    "While a leader is elected a request is refused, and does not wait for it.") \
  /* the tunnel, and links between nodes */ \
  X(TunnelledCarriedOn, \
    "What came through a tunnel is carried on through the next one, maybe for ever.") \
  X(AnswerOvertakesTunnel, \
    "What a node answers itself overtakes what the leader still owes the client.") \
  X(TunnelRepliesCrossed, \
    "The leader's answer to what a node said itself goes to the client, which is one behind.") \
  X(OpenOutcomeHidden, \
    "A client whose request was lost with its tunnel waits for the answer for ever.") \
  X(FormerConnectionCounts, \
    "A peer's former connection is read on, beside the one that took its place.") \
  X(UrgentBehindBulk, "Heartbeats and votes wait behind megabytes of entries.") \
  X(OtherClusterWelcome, "A node of another cluster is let in.") \
  X(FrameBodyNotVerified, "A frame is taken whatever the checksum of its body says.") \
  /* snapshots between nodes */ \
  X(InstallForgetsTheVote, "A node that installs a snapshot begins with no term and no vote.") \
  X(InstalledIndexWithOldLog, "A snapshot's index is installed, and nothing of its log.") \
  X(SwitchBeforeSync, "GENERATION names one whose files' names are not durable.") \
  X(StagedFileNotVerified, \
    "A fetched file counts when its length is right, whatever a crash has left in it.") \
  X(OldStateGoneBeforeTheSwitch, \
    "What a snapshot replaced is removed while the switch itself may not be durable.") \
  X(ChangeWithoutMajority, \
    "A change is begun though too few of who votes then answer to end it.") \
  X(OtherDataAdmitted, \
    "A node is let in under an id whose promises lie in another data directory.") \
  X(UnknownLeaderRefused, \
    "A member whose log is behind lets nobody in whom it does not know.") \
  X(TailConfigurationForgotten, \
    "A start takes the membership of the index and not what the log holds behind it.") \
  X(ChunkNotVerified, "A piece of a snapshot is taken whatever its checksum says.") \
  X(InstalledWithoutAsking, \
    "A snapshot is installed over entries that were acknowledged while it was fetched.") \
  X(SnapshotTakesTheTail, "A snapshot takes what is not applied, too.") \
  X(CutNotTold, "Of a log that is given up to an entry what follows is not told as gone.") \
  X(AbandonedIsDurable, "Behind a write that was given up a Ready makes all before it durable.") \
  X(LogStartPassesSnapshot, \
    "The log's start moves on between a snapshot's index and its segments.")
// clang-format on
