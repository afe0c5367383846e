// Package scale holds the apply workers and the snapshot workers against DynamoDB's quotas, in fake time. It has tests
// only; with CROSSFADE_SCALE set they print the figures of docs/SCALE.md.
//
//	records (endless) ─▶ apply.Worker × n ─▶ table: units a second for all, and for each partition; splits; reasons
//	old: the same for reads ─▶ snapshot.Worker × n ─▶ published
package scale
