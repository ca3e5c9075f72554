package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the process's measurements. Make them with NewMetrics.
type Metrics struct {
	registry      *prometheus.Registry
	requests      *prometheus.HistogramVec
	events        *prometheus.CounterVec
	unitSize      prometheus.Histogram
	commitSeconds prometheus.Histogram
	conflicts     prometheus.Counter
	splits        prometheus.Counter
	operations    *prometheus.HistogramVec
	subscriptions prometheus.Gauge
	alerts        *prometheus.CounterVec
	messages      *prometheus.CounterVec
	connectors    connectorMetrics
}

// NewMetrics registers the measurements, with Go's and the process's own.
func NewMetrics(version string) *Metrics {
	r := prometheus.NewRegistry()
	m := &Metrics{
		registry: r,
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "headwater_http_request_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}, []string{"route", "method", "status"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_events_total", Help: "Events by what became of them.",
		}, []string{"status"}),
		unitSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "headwater_ingest_unit_events", Help: "Events in one unit of work.",
			Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 200, 400},
		}),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "headwater_ingest_commit_seconds", Help: "Time of a durable commit.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_ingest_conflicts_total", Help: "Units that lost a race and were computed again.",
		}),
		splits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_ingest_splits_total", Help: "Units that were split to find a culprit.",
		}),
		operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "headwater_graphql_operation_seconds", Help: "Time of a GraphQL operation.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}, []string{"kind", "outcome"}),
		subscriptions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_subscriptions", Help: "Live subscriptions.",
		}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_alerts_total", Help: "Things that somebody should look at, by kind.",
		}, []string{"kind"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_messages_total", Help: "Messages that came to a status, by channel and why.",
		}, []string{"channel", "status", "reason"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "headwater_build_info", Help: "1, labelled with the version.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	r.MustRegister(m.requests, m.events, m.unitSize, m.commitSeconds, m.conflicts, m.splits, m.operations, m.subscriptions, m.alerts, m.messages,
		build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.connectors = newConnectorMetrics(r)
	return m
}

// Handler serves the measurements in Prometheus's text form.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Request notes an HTTP request. The route and the method come from fixed sets.
func (m *Metrics) Request(route, method string, status int, d time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Observe(d.Seconds())
}

// Events notes what became of n events.
func (m *Metrics) Events(status string, n int) { m.events.WithLabelValues(status).Add(float64(n)) }

// Unit notes a committed unit of work.
func (m *Metrics) Unit(events int, commit time.Duration) {
	m.unitSize.Observe(float64(events))
	m.commitSeconds.Observe(commit.Seconds())
}

// Conflict notes a lost race.
func (m *Metrics) Conflict() { m.conflicts.Inc() }

// Split notes a unit that was split.
func (m *Metrics) Split() { m.splits.Inc() }

// Operation notes a GraphQL operation: query, mutation or subscription; ok or the
// code of its first error.
func (m *Metrics) Operation(kind, outcome string, d time.Duration) {
	m.operations.WithLabelValues(kind, outcome).Observe(d.Seconds())
}

// Alert notes something that somebody should look at. The kind comes from a fixed set.
func (m *Metrics) Alert(kind string) { m.alerts.WithLabelValues(kind).Inc() }

// Message notes that a message came to a status. Its labels come from bounded sets.
func (m *Metrics) Message(channel, status, reason string) {
	m.messages.WithLabelValues(channel, status, reason).Inc()
}

// Subscriptions notes that delta subscriptions began (or, negative, ended).
func (m *Metrics) Subscriptions(delta int) { m.subscriptions.Add(float64(delta)) }
