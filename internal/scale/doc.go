// Package scale holds the apply workers against DynamoDB's quotas, in fake time. It has tests only.
//
//	records (endless) ─▶ apply.Worker × n ─▶ table: units a second for all, and for each partition; splits; reasons
package scale
