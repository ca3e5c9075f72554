package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// connectorMetrics are of the processes that run connectors. Their labels are words of the
// host; which connector it was stands in the log.
type connectorMetrics struct {
	processes prometheus.Gauge
	starts    *prometheus.CounterVec
	ends      *prometheus.CounterVec
	calls     *prometheus.HistogramVec
	dropped   prometheus.Counter
}

func newConnectorMetrics(r *prometheus.Registry) connectorMetrics {
	m := connectorMetrics{
		processes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_connector_processes", Help: "Processes of connectors that run or start.",
		}),
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_connector_starts_total", Help: "Starts of connectors' processes: RUNNING, or the reason why not.",
		}, []string{"outcome"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_connector_ends_total", Help: "Ends of connectors' processes: DONE, or the reason.",
		}, []string{"reason"}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "headwater_connector_call_seconds", Help: "Time of calls to connectors, the vendor's in it: OK, or the kind of the fault.",
			Buckets: []float64{.0005, .001, .005, .025, .1, .25, 1, 2.5, 10, 30, 120},
		}, []string{"method", "outcome"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_connector_log_lines_dropped_total", Help: "Lines that connectors logged faster than they are kept.",
		}),
	}
	r.MustRegister(m.processes, m.starts, m.ends, m.calls, m.dropped)
	return m
}

// ConnectorProcesses notes that processes began (or, negative, ended).
func (m *Metrics) ConnectorProcesses(delta int) { m.connectors.processes.Add(float64(delta)) }

// ConnectorStart notes what became of a start.
func (m *Metrics) ConnectorStart(outcome string) {
	m.connectors.starts.WithLabelValues(outcome).Inc()
}

// ConnectorEnd notes why a process ended.
func (m *Metrics) ConnectorEnd(reason string) { m.connectors.ends.WithLabelValues(reason).Inc() }

// ConnectorCall notes a call.
func (m *Metrics) ConnectorCall(method, outcome string, took time.Duration) {
	m.connectors.calls.WithLabelValues(method, outcome).Observe(took.Seconds())
}

// ConnectorLinesDropped notes lines of log that were dropped.
func (m *Metrics) ConnectorLinesDropped(n int) { m.connectors.dropped.Add(float64(n)) }
