// server/metrics: what /metrics prints is put together here, in Prometheus's text format.
//
// Thread: one. Lifetime: of one page.
#pragma once

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <string>
#include <vector>

#include "server/services.h"

namespace alfheim::server {

// Families in the order in which they were added.
class Metrics {
 public:
  void gauge(const char* name, const char* help, double value) {
    add(name, help, prometheus::MetricType::Gauge).gauge.value = value;
  }
  void counter(const char* name, const char* help, double value) {
    add(name, help, prometheus::MetricType::Counter).counter.value = value;
  }
  prometheus::ClientMetric& add(const char* name, const char* help, prometheus::MetricType type) {
    family(name, help, type);
    return families_.back().metric.emplace_back();
  }
  // One that may have no samples now is shown all the same: what can be asked for is known then.
  void family(const char* name, const char* help, prometheus::MetricType type) {
    if (families_.empty() || families_.back().name != name) {
      families_.push_back({.name = name, .help = help, .type = type, .metric = {}});
    }
  }
  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

inline double number(uint64_t value) { return static_cast<double>(value); }

// raft_metrics.cc: the group as this node sees it, its peers, leases, snapshots.
void add_raft_metrics(Metrics& metrics, const Services& services);

}  // namespace alfheim::server
