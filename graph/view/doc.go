// Package view holds the Go types of the schema that no package of the domain
// has: pages of lists, and inputs that are taken as they come.
package view
