// Package sim is the deterministic simulation.
package sim
