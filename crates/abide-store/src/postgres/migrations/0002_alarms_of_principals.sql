-- On whose behalf an alarm fires: who set it.
ALTER TABLE alarms ADD COLUMN principal text;
