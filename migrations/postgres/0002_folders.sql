-- Projects without a forge: a folder on this machine whose environments are made at a terminal.

ALTER TABLE projects ADD COLUMN folder TEXT;

CREATE UNIQUE INDEX projects_folder ON projects (folder) WHERE folder IS NOT NULL;
