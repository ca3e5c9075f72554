// Package resolver answers the fields of the schema. A resolver reads its
// arguments, calls one method of a service and returns what came; whatever decides
// anything is in core. What is wrong with the input of a mutation goes into its
// payload, every other error out.
package resolver
