package metrics

import "weir/agent"

// An Agent is one whose own metrics are shown.
type Agent interface {
	Status() agent.Status
	Alive() bool
}

var _ Agent = (*agent.Agent)(nil)

// agent gives what an agent tells of itself, if there is one.
func (s *scrape) agent() {
	if s.of == nil {
		return
	}
	st := s.of.Status()
	s.own(agentAlive, truth(s.of.Alive()))
	s.own(agentReady, truth(st.Ready()))
	s.own(agentHeld, truth(st.Source.Held))
	s.own(agentWaiting, truth(st.Confirm != nil))
	s.own(agentAbsent, float64(len(st.Absent)))
	s.own(agentLooks, float64(st.Looks))
	s.own(agentChanges, float64(st.Changes))
	s.own(agentErrors, float64(st.Errors))
	if at := st.Applied.At; !at.IsZero() {
		s.own(agentApplied, truth(st.Applied.Error == ""))
		s.own(agentAppliedAt, float64(at.UnixMilli())/1e3)
	}
	s.own(agentEntries, float64(st.Entries))
	s.own(agentParams, float64(st.Params))
	s.own(agentStore, float64(st.StoreErrors))
	s.own(agentAudit, float64(st.AuditLost))
}
