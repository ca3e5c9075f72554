// Package objecttest proves what finds records by index against the evaluator of
// conditions, on whatever store it is given.
package objecttest
