#include "server/read_gate.h"

#include <gtest/gtest.h>

namespace alfheim::server {
namespace {

TEST(ReadGate, ABarrierCoversWhatHadArrivedWhenItWasAskedFor) {
  ReadGate gate;
  gate.note_received(100);  // two requests, of 40 and 60 bytes
  EXPECT_FALSE(gate.has_passed(60));
  gate.ask(1);
  EXPECT_FALSE(gate.has_passed(60));
  gate.note_received(50);  // a third one comes meanwhile
  gate.pass();
  EXPECT_TRUE(gate.has_passed(110));
  EXPECT_TRUE(gate.has_passed(50));
  EXPECT_FALSE(gate.has_passed(0));
  gate.ask(2);
  gate.pass();
  EXPECT_TRUE(gate.has_passed(0));
}

TEST(ReadGate, ItIsLateSinceTheFirstQuestionNotTheLast) {
  ReadGate gate;
  gate.note_received(10);
  EXPECT_FALSE(gate.is_late(9999, 3000));
  gate.ask(1000);
  gate.ask(3900);  // the first one's answer was lost
  EXPECT_FALSE(gate.is_late(3999, 3000));
  EXPECT_TRUE(gate.is_late(4000, 3000));
  gate.pass();
  EXPECT_FALSE(gate.is_late(9999, 3000));
  gate.ask(5000);
  gate.end_wait();
  EXPECT_FALSE(gate.is_late(9999, 3000));
}

TEST(ReadGate, WhatFollowersMayHaveShownIsAskedForOnceForAllThatIsHere) {
  ReadGate gate;
  gate.note_received(100);
  EXPECT_FALSE(gate.is_shown(60));
  gate.note_shown();
  EXPECT_TRUE(gate.is_shown(60));
  EXPECT_TRUE(gate.is_shown(0));
  gate.note_received(1);
  EXPECT_TRUE(gate.is_shown(1));
  EXPECT_FALSE(gate.is_shown(0));
  EXPECT_FALSE(gate.has_passed(1));  // that proves no leadership
}

}  // namespace
}  // namespace alfheim::server
