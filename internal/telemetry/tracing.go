package telemetry

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// StartTracing sends spans to an OTLP/HTTP endpoint ("http://127.0.0.1:4318") and
// returns the function that flushes and stops. ratio is the share of traces kept,
// 0 to 1; a trace that the caller began keeps the caller's choice.
func StartTracing(ctx context.Context, endpoint, version string, ratio float64) (func(context.Context) error, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("trace exporter: %w", err)
	}
	provider := trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(ratio))),
		trace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "headwater"), attribute.String("service.version", version))),
	)
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return provider.Shutdown, nil
}

// Span starts a span under the one in ctx and returns the function that ends it.
// Without StartTracing it costs a few nanoseconds.
func Span(ctx context.Context, name string) (context.Context, func()) {
	ctx, span := otel.Tracer("headwater").Start(ctx, name)
	return ctx, func() { span.End() }
}
