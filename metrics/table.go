package metrics

import "github.com/prometheus/client_golang/prometheus"

// A metric is one that a collector gives.
type metric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	name   string
	labels []string
}

// all are the metrics in the order of their making.
var all []*metric

func define(kind prometheus.ValueType, name, help string, labels ...string) *metric {
	m := &metric{prometheus.NewDesc(name, help, labels, nil), kind, name, labels}
	all = append(all, m)
	return m
}

func counter(name, help string, labels ...string) *metric {
	return define(prometheus.CounterValue, name, help, labels...)
}

func gauge(name, help string, labels ...string) *metric {
	return define(prometheus.GaugeValue, name, help, labels...)
}

// What a place is: interface is as people write it, NETNS/INTERFACE, or the whole place
// where the hook is of no interface, NETNS/@netfilter-input or @cgroup-ingress=PATH.
var (
	packets = counter("weir_packets_total", "Packets by what became of them.", "interface", "hook", "chain", "verdict", "reason")
	octets  = counter("weir_bytes_total", "Octets of packets by what became of them.", "interface", "hook", "chain", "verdict", "reason")
	counts  = counter("weir_count_total", "What a chain counts by a name of its own, with count(\"name\").", "chain", "name")

	mapEntries   = gauge("weir_map_entries", "Entries of a map that have not expired, when it was last walked.", "chain", "map")
	mapCapacity  = gauge("weir_map_capacity", "Entries that a map has room for.", "chain", "map")
	mapRefused   = counter("weir_map_refused_total", "New keys that a full map has refused.", "chain", "map")
	mapForgotten = counter("weir_map_forgotten_total", "Keys that an lru has pushed out to make room.", "chain", "map")
	ringWaiting  = gauge("weir_ring_waiting_bytes", "Octets of a ring that wait to be read.", "chain", "ring")
	ringSize     = gauge("weir_ring_size_bytes", "Octets that a ring has room for.", "chain", "ring")
	ringLost     = counter("weir_ring_lost_total", "Records that a ring, and lines that log(), had no room for.", "chain", "ring")
	params       = gauge("weir_param", "What a param is set to, in its unit of computing.", "chain", "param")

	generation = gauge("weir_generation", "Number of the generation that runs under a name.", "name")
	started    = gauge("weir_generation_start_time_seconds", "When the generation took its places, since the epoch.", "name")
	attached   = gauge("weir_attached", "Whether a program is at its place: 0 if it was taken away, or the place is gone.", "name", "interface", "hook")

	runTime = counter("weir_run_seconds_total", "Time that programs ran on all CPUs, while the kernel counts it.", "name", "hook")
	runs    = counter("weir_runs_total", "How often programs ran, while the kernel counts it.", "name", "hook")
	runsOn  = gauge("weir_run_statistics_enabled", "Whether the kernel counts runs all the time (kernel.bpf_stats_enabled).")

	agentAlive     = gauge("weir_agent_alive", "Whether the agent does its work: it looks when it should, and each look ends.")
	agentReady     = gauge("weir_agent_ready", "Whether what runs is what the agent's config says.")
	agentHeld      = gauge("weir_agent_held", "Whether the config in force was given to the agent, and is not its file.")
	agentWaiting   = gauge("weir_agent_waiting", "Whether a config waits to be confirmed.")
	agentAbsent    = gauge("weir_agent_absent_places", "Places of the config that are not there.")
	agentLooks     = counter("weir_agent_looks_total", "How often the agent has looked.")
	agentChanges   = counter("weir_agent_changes_total", "Looks that have changed something.")
	agentErrors    = counter("weir_agent_errors_total", "Looks that have failed.")
	agentApplied   = gauge("weir_agent_last_apply_success", "Whether the last look that has changed something, or tried to, has come to its end.")
	agentAppliedAt = gauge("weir_agent_last_apply_time_seconds", "When it was, since the epoch.")
	agentEntries   = gauge("weir_agent_put_entries", "Entries of maps that were put beside the config.")
	agentParams    = gauge("weir_agent_put_params", "Params that were set beside the config.")
	agentStore     = counter("weir_agent_store_errors_total", "How often what shall survive a reboot could not be read or written.")
	agentAudit     = counter("weir_agent_audit_lost_total", "Changes that could not be written to the audit log.")

	failures = counter("weir_scrape_errors_total", "What could not be read, over all scrapes.")
	leftOut  = counter("weir_scrape_left_out_total", "Series and walks of maps that were left out to bound a scrape, over all scrapes.")
	duration = gauge("weir_scrape_duration_seconds", "How long this scrape took.")
)
