// Package telemetry says how the process is doing: Prometheus metrics, OpenTelemetry
// traces (off until an endpoint is given) and structured logs. No label, span
// attribute or log field holds a value from a customer's data: labels come from
// fixed sets.
package telemetry
