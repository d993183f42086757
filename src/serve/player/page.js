import './h5live.js';
